/**
 * Durations and sizes as people write them, the same in files, in `IPC_*` variables and on the command line.
 *
 * @module
 */

/** A timer of more milliseconds than this fires at once, so no duration but "none" may be longer: 24.8 days. */
export const DURATION_MS_MAX = 2 ** 31 - 1;

const MILLISECONDS = new Map([["ms", 1], ["s", 1000], ["m", 60_000], ["h", 3_600_000]]);

const BYTES = new Map([
  ["b", 1],
  ["k", 1024],
  ["kib", 1024],
  ["m", 1024 ** 2],
  ["mib", 1024 ** 2],
  ["g", 1024 ** 3],
  ["gib", 1024 ** 3],
  ["kb", 1e3],
  ["mb", 1e6],
  ["gb", 1e9],
]);

/**
 * Reads a duration: `500ms`, `5s`, `2m`, `1h`, fractions included. A number without unit is seconds; `0` and
 * `infinity` are none.
 *
 * @returns Milliseconds, at least 1, or `Infinity` for none.
 * @throws {RangeError} With the text and what is allowed.
 *
 * @example
 * ```ts
 * import { parseDuration } from "./units.ts";
 *
 * if (parseDuration("1.5s") !== 1500 || parseDuration(2) !== 2000) throw new Error("not milliseconds");
 * if (parseDuration("0") !== Infinity) throw new Error("0 is none");
 * ```
 */
export function parseDuration(value: string | number): number {
  const text = String(value).trim().toLowerCase();
  if (text === "infinity" || text === "inf") return Infinity;
  const parts = /^(\d+(?:\.\d+)?|\.\d+) *(ms|s|m|h)?$/.exec(text);
  if (parts === null) {
    throw new RangeError(
      `${JSON.stringify(value)} is not a duration: write 500ms, 5s, 2m or 1h, a bare number of seconds, ` +
        "or 0 or infinity for none",
    );
  }
  const ms = Number(parts[1]) * MILLISECONDS.get(parts[2] ?? "s")!;
  if (ms === 0) return Infinity;
  if (ms > DURATION_MS_MAX) {
    throw new RangeError(`${JSON.stringify(value)} is too long: at most 24 days (576h), or infinity for none`);
  }
  return Math.max(1, Math.round(ms));
}

/**
 * Writes a duration so that {@linkcode parseDuration} reads it back.
 *
 * @param ms Milliseconds; fractions are kept to three digits. `Infinity` is none.
 */
export function formatDuration(ms: number): string {
  if (ms === Infinity) return "infinity";
  for (const [unit, size] of [["h", 3_600_000], ["m", 60_000]] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms >= 1000 ? `${Number((ms / 1000).toFixed(3))}s` : `${Number(ms.toFixed(3))}ms`;
}

/**
 * Writes for people how long something has been so: `7s`, `5m 3s`, `2h 9m`, `3d 4h`.
 *
 * @param ms Milliseconds; what does not fill a second is left out.
 */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const units = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const;
  const at = units.findIndex(([, size]) => seconds >= size);
  const [[unit, size], [less, lesser]] = [units[at]!, units[at + 1]!];
  const rest = Math.floor(seconds % size / lesser);
  return `${Math.floor(seconds / size)}${unit}${rest > 0 ? ` ${rest}${less}` : ""}`;
}

/**
 * Reads a size: bytes, or a number with `KiB`, `MiB`, `GiB` (also `K`, `M`, `G`: powers of 1024) or `kB`, `MB`, `GB`
 * (powers of 1000). Capitals do not matter.
 *
 * @returns Bytes, a whole number.
 * @throws {RangeError} With the text and what is allowed.
 *
 * @example
 * ```ts
 * import { parseSize } from "./units.ts";
 *
 * if (parseSize("64KiB") !== 65_536 || parseSize(10) !== 10) throw new Error("not bytes");
 * ```
 */
export function parseSize(value: string | number): number {
  const parts = /^(\d+(?:\.\d+)?|\.\d+) *([a-z]+)?$/.exec(String(value).trim().toLowerCase());
  const unit = parts === null ? undefined : BYTES.get(parts[2] ?? "b");
  const bytes = unit === undefined ? NaN : Number(parts![1]) * unit;
  if (!Number.isSafeInteger(bytes)) {
    throw new RangeError(
      `${
        JSON.stringify(value)
      } is not a size: write a whole number of bytes, or one with its unit such as 64KiB, 16MiB, 1GiB`,
    );
  }
  return bytes;
}

/**
 * Writes a size for people: exact, and readable by {@linkcode parseSize}, if it is a multiple of its unit; else with
 * one digit after the point.
 */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [["GiB", 1024 ** 3], ["MiB", 1024 ** 2], ["KiB", 1024]] as const) {
    if (bytes >= size) return `${bytes % size === 0 ? bytes / size : (bytes / size).toFixed(1)}${unit}`;
  }
  return `${bytes}B`;
}
