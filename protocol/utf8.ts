/**
 * Text to bytes and back, fast for the short texts that most messages are.
 *
 * Measured on Deno 2.9.6: a new `Uint8Array` costs 250 ns whatever its size, `encodeInto` 60 ns, a `TextDecoder` 200 ns,
 * a loop over 16 characters 60 ns. So short texts are written into a slab that many of them share, and read by a loop.
 *
 * @module
 */
const SLAB_BYTES = 64 * 1024;
/** Longer texts get memory of their own: then what it costs is copying, and a slab would be used up at once. */
const SLAB_TEXT_MAX = 1024;
/** Up to here the loop is faster than the decoder. */
const LOOP_BYTES_MAX = 32;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
let slab = new Uint8Array(0), used = 0;

/**
 * Writes a text as UTF-8.
 *
 * @returns Bytes that stay as they are; they may share their `buffer` with others.
 */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > SLAB_TEXT_MAX) return encoder.encode(text);
  // A UTF-16 unit takes three bytes at most.
  if (slab.length - used < text.length * 3) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const from = used;
  used += encoder.encodeInto(text, from === 0 ? slab : slab.subarray(from)).written;
  return slab.subarray(from, used);
}

/**
 * Reads a text; a byte order mark is a character like any other.
 *
 * @throws {TypeError} If it is not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  if (to - from <= LOOP_BYTES_MAX) {
    let text = "", at = from;
    for (; at < to; at++) {
      const byte = bytes[at]!;
      if (byte > 0x7f) break;
      text += String.fromCharCode(byte);
    }
    if (at === to) return text;
  }
  return decoder.decode(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
}
