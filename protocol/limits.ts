/**
 * The limits of the wire, each with its unit last. What an operator may change has its default in `config/keys.ts`;
 * what stands here is the same for every broker and every client, because both sides have to agree on it.
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
