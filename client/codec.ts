/**
 * The structured codec, loaded when the first payload needs it: most programs never do, and start 5 ms faster.
 *
 * @module
 */
import type { StructuredCodec } from "../protocol/payload.ts";

let codec: StructuredCodec | undefined;
let loading: Promise<StructuredCodec> | undefined;

/** The codec if it is loaded. */
export function structuredCodec(): StructuredCodec | undefined {
  return codec;
}

/** Loads the codec. */
export function loadStructuredCodec(): Promise<StructuredCodec> {
  // One promise for all: who waits for it goes on in the order in which they came. Imports of their own would not.
  return loading ??= import("../protocol/structured_clone.ts").then(
    (module) => codec = module.structuredCodec,
    (error) => {
      loading = undefined;
      throw error;
    },
  );
}
