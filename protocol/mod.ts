/**
 * The wire that broker and clients share. Nothing here performs I/O, waits, or asks what time it is.
 *
 * @module
 */
export * from "./bodies.ts";
export * from "./channel_name.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./limits.ts";
export * from "./msgpack.ts";
export * from "./payload.ts";
export * from "./scanner.ts";
export * from "./socket_path.ts";
