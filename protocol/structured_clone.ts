/**
 * The structured encoding of payloads: msgpack with msgpackr's extensions for what structured clone can hold.
 *
 * Import it dynamically, when a structured payload appears: loading msgpackr takes 5 ms.
 *
 * @module
 */
import { Packr } from "msgpackr/pack";
import { IpcError } from "./errors.ts";
import type { StructuredCodec } from "./payload.ts";

const packr = new Packr({ structuredClone: true, moreTypes: true });

/** Map, Set, Date, BigInt, Error with cause, RegExp, typed arrays, `undefined`, NaN, -0 and cycles survive it. */
export const structuredCodec: StructuredCodec = {
  encode(value) {
    try {
      return new Uint8Array(packr.pack(value));
    } catch (error) {
      throw new IpcError("SERIALIZATION", `value cannot be sent: ${(error as Error).message}`, { cause: error });
    }
  },
  decode(bytes) {
    try {
      return packr.unpack(bytes);
    } catch (error) {
      throw new IpcError("SERIALIZATION", `structured payload cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
  },
};
