/**
 * V8's CPU profiles: which functions the time went into.
 *
 * @module
 */

/** What V8 writes; the parts of it that are read here. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number; columnNumber: number } }[];
  /** The node that each sample found. */
  samples: number[];
  /** Microseconds from one sample to the next. */
  timeDeltas: number[];
}

/** A function and the time spent in itself, without what it called. */
export interface SelfTime {
  /** Its name, and where it is. */
  name: string;
  place: string;
  self_ms: number;
  /** Of all samples but the idle ones. */
  share: number;
}

/** Samples of a process that had nothing to do. */
const IDLE = "(idle)";

/** @returns All functions, the most expensive first. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): SelfTime[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, SelfTime>();
  let busy_ms = 0;
  samples.forEach((id, i) => {
    const { functionName, url, lineNumber, columnNumber } = frames.get(id)!, self_ms = timeDeltas[i]! / 1000;
    if (functionName === IDLE) return;
    busy_ms += self_ms;
    const file = url.slice(url.lastIndexOf("/") + 1);
    const place = file === "" ? "" : `${file}:${lineNumber + 1}:${columnNumber + 1}`;
    const key = `${functionName} ${place}`;
    const known = times.get(key) ?? { name: functionName || "(anonymous)", place, self_ms: 0, share: 0 };
    known.self_ms += self_ms;
    times.set(key, known);
  });
  const all = [...times.values()].sort((a, b) => b.self_ms - a.self_ms);
  return all.map((one) => ({ ...one, share: one.self_ms / busy_ms }));
}
