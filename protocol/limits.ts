/**
 * Every limit that does not change, each with its unit last: those of the wire, on which both sides have to agree, and those
 * of a broker that somebody may run into. What an operator may change has its default in `config/keys.ts`. `ipc config show`
 * prints both; docs/limits.md is compared with this file by a test. Sizes that nobody notices stand where they are used.
 * What each limits is said once more in `config/fixed_limits.ts`, which only those load who print it.
 *
 * @module
 */

/** Bytes of the fixed header in front of every frame. */
export const HEADER_BYTES = 24;

/** Bytes that a headers block can take: its length is a `u16`. */
export const HEADERS_BYTES_MAX = 65_535;

/** Default limit of one message's payload: 16 MiB. The broker announces the one in force in WELCOME. */
export const MESSAGE_BYTES_DEFAULT = 16 * 1024 * 1024;

/** What `max_message` may be set to at most: lengths are 32 bits, and a frame must fit in one `Uint8Array`. */
export const MESSAGE_BYTES_MAX = 1024 * 1024 * 1024;

/** A frame before WELCOME (the HELLO) may take this many bytes. */
export const HANDSHAKE_BYTES_MAX = 16 * 1024;

/** A connection must have said HELLO within this time. */
export const HANDSHAKE_MS_MAX = 5_000;

/** Connections of one broker that have not said HELLO yet, at a time. */
export const HANDSHAKES_MAX = 64;

/** A client's name, in UTF-8. */
export const CLIENT_NAME_BYTES_MAX = 64;

/** `sun_path` of a Linux `sockaddr_un` holds 108 bytes, the last of them zero (unix(7)). */
export const SOCKET_PATH_BYTES_MAX = 107;

/** How deep arrays and maps may nest in what the broker itself decodes. */
export const NESTING_MAX = 64;

/** The broker sends PING to a connection that was silent for this long, and closes it after two unanswered. */
export const KEEPALIVE_MS = 30_000;

/** Correlation and client identifiers are 32 bits; 0 means none. */
export const ID_MAX = 0xffff_ffff;

/** A deadline of this many milliseconds (49.7 days) is how "no deadline" is written on the wire. */
export const DEADLINE_MS_MAX = 0xffff_ffff;

/** A connection's read buffer at first, and again after a quiet while; a power of 4 below the next. */
export const READ_BUFFER_BYTES_MIN = 1024;

/** A connection's read buffer at most, unless one frame is larger. */
export const READ_BUFFER_BYTES_MAX = 256 * 1024;

/**
 * When all places are taken a connection must have been silent for this long before it gives way to the next. Where silence
 * has a meaning it has been understood by then: nobody is told in one language that it should have spoken another.
 */
export const HANDSHAKE_GRACE_MS = 250;

/** The same for one that has begun to say HELLO: it knows what it wants, and everybody says that in one piece. */
export const HANDSHAKE_BEGUN_GRACE_MS = 100;

/** Who says nothing for this long is a text client that listens. */
export const SILENCE_MS = 200;

/** A channel's name, which is ASCII. */
export const CHANNEL_NAME_BYTES_MAX = 64;

/** A glob of channel names. */
export const GLOB_CHARACTERS_MAX = 256;

/** Channels that may be open at a time. */
export const CHANNELS_MAX = 16_384;

/** Those who wait for a channel's lock, at a time; also the places that a semaphore can have, and parties of a barrier. */
export const COORDINATED_MAX = 16_384;

/** A request to the broker itself, on `ipcd`. */
export const CONTROL_BYTES_MAX = 64 * 1024;

/** By how much frames that cannot be refused (replies, presence) may go over a queue's limit before its client is closed. */
export const QUEUE_RESERVE_BYTES = 1024 * 1024;

/** How much of `memory` histories may keep when there is too much. */
export const MEMORY_HISTORIES_PERCENT = 50;

/** How much of `memory` retained events may keep when there is too much. */
export const MEMORY_RETAINED_PERCENT = 25;

/** After how many unanswered PINGs a connection is closed. */
export const KEEPALIVE_UNANSWERED_MAX = 2;

/** How long a client may take to read why it is closed. */
export const LINGER_MS_MAX = 10_000;

/**
 * The same when the broker ends. With `drain_timeout` as it is by default, and a second for a log that nobody reads, that
 * makes less than the ten seconds after which whoever ends a broker may lose patience.
 */
export const GOODBYE_MS_MAX = 500;

/** How long a broker waits for one before it that is going away. */
export const LOCK_WAIT_MS_MAX = 15_000;

/** How long accepting pauses at most when the system has no descriptors left. */
export const ACCEPT_PAUSE_MS_MAX = 100;

/** A warning that could come with every connection comes at most this often. */
export const LOG_REPEAT_MS = 10_000;

/** What waits to be logged; more is left out, and counted. */
export const LOG_QUEUE_BYTES_MAX = 1024 * 1024;

/** A configuration file. */
export const CONFIG_BYTES_MAX = 1024 * 1024;

/** In the text dialect, what came before a pause this long is a message, from a client that never sends a newline. */
export const TEXT_PAUSE_MS = 50;

/** A message in text that is longer comes in many pieces, between which there may be {@linkcode TEXT_LONG_PAUSE_MS}. */
export const TEXT_LONG_BYTES = 64 * 1024;

/** See {@linkcode TEXT_LONG_BYTES}. */
export const TEXT_LONG_PAUSE_MS = 500;

/** What a line of JSON may hold beside its payload. */
export const JSON_ENVELOPE_BYTES_MAX = 64 * 1024;

/** How deep structured payloads may nest in what a client, or a broker that writes them as JSON, decodes. */
export const STRUCTURED_NESTING_MAX = 1000;

/** A structured payload over this is not written as JSON for clients of other dialects. */
export const STRUCTURED_BYTES_MAX = 1024 * 1024;

/** A structured payload that would be longer as JSON is not written so. */
export const STRUCTURED_CHARACTERS_MAX = 16 * 1024 * 1024;

/** A payload over this is not put into a text: one byte may become six characters, and a text has less than 2^29. */
export const CONVERTED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A reply that goes to a client of Simple IPC in one piece may have come in so many parts that are not text: each becomes a
 * JSON value of its own, which takes a microsecond.
 */
export const REPLY_PARTS_MAX = 65_536;

/** Those who watch what passes, at a time. */
export const MONITORS_MAX = 16;

/** How many frames all of them together are shown in a second. */
export const MONITORED_PER_S_MAX = 20_000;

/** How much of a payload a monitor is shown unless it asks for more, and at most. */
export const MONITOR_PAYLOAD_BYTES = 256, MONITOR_PAYLOAD_BYTES_MAX = 64 * 1024;
