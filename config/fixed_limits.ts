/**
 * What `protocol/limits.ts` limits, in words: for `ipc config show` and docs/limits.md. A test finds what is missing here. It
 * stands apart because every start of `ipc send` loads the limits, and none the words.
 *
 * @module
 */
import * as limits from "../protocol/limits.ts";

/** A limit, for those who ask. */
export interface Limit {
  /** The constant's name, in lower case. */
  readonly name: string;
  readonly value: number;
  readonly unit: "bytes" | "ms" | "count" | "percent" | "characters";
  /** What it limits. */
  readonly meaning: string;
}

/** All of them, in the order in which somebody may run into them. */
export function fixedLimits(): readonly Limit[] {
  const limit = (name: string, value: number, unit: Limit["unit"], meaning: string): Limit => (
    { name, value, unit, meaning }
  );
  return [
    limit("channel_name_bytes_max", limits.CHANNEL_NAME_BYTES_MAX, "bytes", "a channel's name"),
    limit("glob_characters_max", limits.GLOB_CHARACTERS_MAX, "characters", "a glob of channel names"),
    limit(
      "socket_path_bytes_max",
      limits.SOCKET_PATH_BYTES_MAX,
      "bytes",
      "a socket's path, directory and channel together",
    ),
    limit("channels_max", limits.CHANNELS_MAX, "count", "channels that are open at a time"),
    limit("coordinated_max", limits.COORDINATED_MAX, "count", "who waits for a channel's lock or barrier, at a time"),
    limit("client_name_bytes_max", limits.CLIENT_NAME_BYTES_MAX, "bytes", "a client's name, in UTF-8"),
    limit("handshakes_max", limits.HANDSHAKES_MAX, "count", "connections that have not said HELLO, at a time"),
    limit("handshake_ms_max", limits.HANDSHAKE_MS_MAX, "ms", "until a connection must have said HELLO"),
    limit("handshake_bytes_max", limits.HANDSHAKE_BYTES_MAX, "bytes", "a frame before WELCOME"),
    limit(
      "handshake_grace_ms",
      limits.HANDSHAKE_GRACE_MS,
      "ms",
      "of silence before a connection gives way, when all places are taken",
    ),
    limit(
      "handshake_begun_grace_ms",
      limits.HANDSHAKE_BEGUN_GRACE_MS,
      "ms",
      "the same for one that has begun to speak",
    ),
    limit("silence_ms", limits.SILENCE_MS, "ms", "of silence that make a connection a text client that listens"),
    limit(
      "message_bytes_default",
      limits.MESSAGE_BYTES_DEFAULT,
      "bytes",
      "a message's payload, unless max_message says otherwise",
    ),
    limit("message_bytes_max", limits.MESSAGE_BYTES_MAX, "bytes", "what max_message may be"),
    limit("header_bytes", limits.HEADER_BYTES, "bytes", "the fixed header of each frame"),
    limit("headers_bytes_max", limits.HEADERS_BYTES_MAX, "bytes", "the headers of a message, all together"),
    limit("monitors_max", limits.MONITORS_MAX, "count", "who watches what passes, at a time"),
    limit("monitored_per_s_max", limits.MONITORED_PER_S_MAX, "count", "frames that all of them are shown in a second"),
    limit(
      "monitor_payload_bytes",
      limits.MONITOR_PAYLOAD_BYTES,
      "bytes",
      "of a payload that is monitored, unless told otherwise",
    ),
    limit(
      "monitor_payload_bytes_max",
      limits.MONITOR_PAYLOAD_BYTES_MAX,
      "bytes",
      "of a payload that is monitored, at most",
    ),
    limit("nesting_max", limits.NESTING_MAX, "count", "levels of arrays and maps in what the broker itself decodes"),
    limit("id_max", limits.ID_MAX, "count", "the highest id of a client or a request"),
    limit("deadline_ms_max", limits.DEADLINE_MS_MAX, "ms", "the deadline that means none"),
    limit("control_bytes_max", limits.CONTROL_BYTES_MAX, "bytes", "a request to the broker itself, on ipcd"),
    limit(
      "queue_reserve_bytes",
      limits.QUEUE_RESERVE_BYTES,
      "bytes",
      "by which what cannot be refused may go over a queue's limit",
    ),
    limit(
      "memory_histories_percent",
      limits.MEMORY_HISTORIES_PERCENT,
      "percent",
      "of memory that histories keep when there is too much",
    ),
    limit(
      "memory_retained_percent",
      limits.MEMORY_RETAINED_PERCENT,
      "percent",
      "of memory that retained events keep when there is too much",
    ),
    limit(
      "read_buffer_bytes_min",
      limits.READ_BUFFER_BYTES_MIN,
      "bytes",
      "a connection's read buffer while little comes",
    ),
    limit(
      "read_buffer_bytes_max",
      limits.READ_BUFFER_BYTES_MAX,
      "bytes",
      "the same under load, unless one message is larger",
    ),
    limit("keepalive_ms", limits.KEEPALIVE_MS, "ms", "of silence after which a client is sent a PING"),
    limit(
      "keepalive_unanswered_max",
      limits.KEEPALIVE_UNANSWERED_MAX,
      "count",
      "unanswered PINGs after which it is closed",
    ),
    limit("linger_ms_max", limits.LINGER_MS_MAX, "ms", "in which a client may read why it is closed"),
    limit("goodbye_ms_max", limits.GOODBYE_MS_MAX, "ms", "the same when the broker ends"),
    limit(
      "lock_wait_ms_max",
      limits.LOCK_WAIT_MS_MAX,
      "ms",
      "for which a broker waits for one before it that is going away",
    ),
    limit("accept_pause_ms_max", limits.ACCEPT_PAUSE_MS_MAX, "ms", "of pause when the system has no descriptors left"),
    limit(
      "log_repeat_ms",
      limits.LOG_REPEAT_MS,
      "ms",
      "between two warnings of a kind that could come with every connection",
    ),
    limit("log_queue_bytes_max", limits.LOG_QUEUE_BYTES_MAX, "bytes", "what waits to be logged; more is left out"),
    limit("config_bytes_max", limits.CONFIG_BYTES_MAX, "bytes", "a configuration file"),
    limit("text_pause_ms", limits.TEXT_PAUSE_MS, "ms", "that end a message in text from a client without newlines"),
    limit("text_long_bytes", limits.TEXT_LONG_BYTES, "bytes", "from which on a message in text may pause for longer"),
    limit("text_long_pause_ms", limits.TEXT_LONG_PAUSE_MS, "ms", "that it may pause for then"),
    limit(
      "json_envelope_bytes_max",
      limits.JSON_ENVELOPE_BYTES_MAX,
      "bytes",
      "what a line of JSON holds beside its payload",
    ),
    limit("structured_nesting_max", limits.STRUCTURED_NESTING_MAX, "count", "levels in a structured payload"),
    limit(
      "structured_bytes_max",
      limits.STRUCTURED_BYTES_MAX,
      "bytes",
      "a structured payload that is written as JSON for others",
    ),
    limit("structured_characters_max", limits.STRUCTURED_CHARACTERS_MAX, "characters", "the same as JSON"),
    limit("converted_bytes_max", limits.CONVERTED_BYTES_MAX, "bytes", "a payload that is put into a text"),
    limit(
      "reply_parts_max",
      limits.REPLY_PARTS_MAX,
      "count",
      "parts, not all text, of a reply to a client of Simple IPC",
    ),
  ];
}
