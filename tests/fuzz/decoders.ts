/**
 * Fuzzes the decoders in a worker, and notices if one of them never comes back.
 *
 * @module
 */
import type { Order, Result } from "./decoder_worker.ts";
import { inputOf, noTally } from "./engine.ts";
import { DECODERS } from "./targets/mod.ts";

/** What of the decoders, and for how long. */
export type DecoderOptions = Omit<Order, "at">;

/** A case that takes this long never ends, as far as anybody can tell. */
const HANG_MS = 30_000, LOOK_MS = 200;

/**
 * Runs until the time is over, or something fails.
 *
 * @param saying Told now and then which target it is at.
 * @param signal Ends it early.
 */
export async function fuzzDecoders(
  options: DecoderOptions,
  saying: (target: string) => void = () => {},
  signal?: AbortSignal,
): Promise<Result> {
  const at = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(new URL("decoder_worker.ts", import.meta.url).href, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  worker.onmessage = ({ data }: MessageEvent<Result>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`the fuzzer itself failed: ${event.message}`));
  };
  let last = "", since_ms = performance.now();
  const watch = setInterval(() => {
    const [which, number] = [Atomics.load(at, 0), Atomics.load(at, 1)], now_ms = performance.now();
    saying(options.targets[which]!);
    if (signal?.aborted) Atomics.store(at, 2, 1);
    if (`${which} ${number}` !== last) [last, since_ms] = [`${which} ${number}`, now_ms];
    else if (Atomics.load(at, 3) === 0 && now_ms - since_ms > HANG_MS) resolve(hung(options, which, number));
  }, LOOK_MS);
  try {
    worker.postMessage({ ...options, at });
    return await promise;
  } finally {
    clearInterval(watch);
    worker.terminate();
  }
}

function hung({ targets, seed }: DecoderOptions, which: number, number: number): Result {
  const name = targets[which]!, target = DECODERS.find((one) => one.name === name)!;
  const input = inputOf(target, seed, number), error = `has not come back within ${HANG_MS} ms`;
  return { tallies: [noTally(name)], finding: { target: name, seed, number, input, smallest: input, error } };
}
