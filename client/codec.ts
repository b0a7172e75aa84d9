/**
 * The structured codec, loaded when the first payload needs it: most programs never do, and start 5 ms faster.
 *
 * @module
 */
import type { StructuredCodec } from "../protocol/payload.ts";

let codec: StructuredCodec | undefined;

/** The codec if it is loaded. */
export function structuredCodec(): StructuredCodec | undefined {
  return codec;
}

/** Loads the codec. */
export async function loadStructuredCodec(): Promise<StructuredCodec> {
  return codec ??= (await import("../protocol/structured_clone.ts")).structuredCodec;
}
