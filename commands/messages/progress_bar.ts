/**
 * How far sending has come, on one line of a terminal that is written over and over. Few see it, so the build keeps it
 * out of what every `ipc send` loads.
 *
 *     app.log  [=============>          ]  56%  8123 messages  3.4MiB/s  2s left
 *
 * What does not fit is left out, from the right. When it is over, and when a signal ends the command, the line is empty
 * again and the cursor at its beginning.
 *
 * @module
 */
import { formatBytes } from "../../config/units.ts";
import { painted, wantsColor } from "../color.ts";
import { beginningOf, displayWidth } from "../display_width.ts";
import type { Io } from "../io.ts";
import type { ReadProgress } from "./options.ts";
import { printable, writeNotice } from "../notice.ts";
import { endingSignals } from "../signals.ts";

/** How often it is drawn. */
const DRAW_MS = 100;
/** The bar without its brackets. */
const BAR_CELLS_MIN = 5, BAR_CELLS_MAX = 40;

/** What is counted while it goes on: bytes that were read, and messages. */
export interface Progress extends ReadProgress {
  /** Messages that were handed over. */
  messages: number;
}

/** What does not change meanwhile. */
export interface ProgressOptions {
  /** What is sent. */
  label: string;
  /** How many bytes it has, if that is known. */
  size_bytes: number | undefined;
  /** When it began, on the clock of `performance.now()`. */
  begin_ms: number;
  /** Whether it is one message, which is not worth counting. */
  single: boolean;
}

/** What is shown of a moment. */
export interface ProgressView extends Omit<ProgressOptions, "begin_ms"> {
  progress: Progress;
  elapsed_ms: number;
  /** How wide the terminal is. */
  columns: number;
  color: boolean;
}

/** The line, at least one column short of the terminal's width: in the last one some terminals go to the next line. */
export function progressLine(
  { label, size_bytes, single, progress, elapsed_ms, columns, color }: ProgressView,
): string {
  const { bytes, messages } = progress;
  const seconds = elapsed_ms / 1000;
  const done = size_bytes === undefined || size_bytes === 0 ? undefined : Math.min(1, bytes / size_bytes);
  const counted = single ? [] : [`${messages} message${messages === 1 ? "" : "s"}`];
  const speed = `${formatBytes(Math.round(bytes / seconds))}/s`;
  const time = done === undefined
    ? `${Math.floor(seconds)}s`
    : done === 1
    ? "waiting for the broker"
    : done > 0
    ? `${Math.ceil(seconds / done - seconds)}s left`
    : "";
  const figures = done === undefined
    ? [...(single ? [formatBytes(bytes)] : counted), speed, time]
    : [`${Math.floor(done * 100)}%`.padStart(4), ...counted, speed, time];
  const room = columns - 1;
  const name = shortened(printable(label), Math.max(8, Math.floor(room / 3)));
  const least = displayWidth(name) + (done === undefined ? 0 : 2 + BAR_CELLS_MIN + 2);
  const shown: string[] = [];
  let used = least;
  for (const figure of figures) {
    if (figure === "" || used + 2 + figure.length > room) break;
    shown.push(figure);
    used += 2 + figure.length;
  }
  if (used > room) return shortened(name, room);
  if (done === undefined) return [name, ...shown].join("  ");
  const cells = Math.min(BAR_CELLS_MAX, BAR_CELLS_MIN + room - used);
  return [name, barOf(done, cells, color), ...shown].join("  ");
}

function barOf(done: number, cells: number, color: boolean): string {
  const full = Math.floor(done * cells);
  const filled = "=".repeat(full), point = full < cells ? ">" : "", rest = " ".repeat(Math.max(0, cells - full - 1));
  return `[${painted(`${filled}${point}`, color ? "32" : "")}${rest}]`;
}

/** Its beginning with "...", if it takes more columns than there are. */
function shortened(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  const bytes = new TextEncoder().encode(text);
  const cut = beginningOf(bytes, Math.max(0, columns - 3));
  return new TextDecoder().decode(bytes.subarray(0, cut.bytes)) + "...".slice(0, columns);
}

/** How much there is to read; `undefined` for what is no file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  if (path === "-") return undefined;
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile ? size : undefined;
  } catch {
    return undefined; // removed meanwhile
  }
}

/** See the module's head. */
export class ProgressBar implements Disposable {
  /** Resolves with the exit code when a signal has ended it. */
  readonly interrupted: Promise<number>;
  readonly #draw: ReturnType<typeof setInterval>;
  readonly #signals: Disposable;
  readonly #io: Io;

  /** Draws it, again and again. */
  constructor({ begin_ms, ...options }: ProgressOptions, progress: Progress, io: Io) {
    this.#io = io;
    const signals = endingSignals(io);
    this.#signals = signals;
    this.interrupted = signals.ended;
    const color = wantsColor(io.stderr, io);
    const draw = (): void => {
      const columns = io.stderr.columns ?? 80, elapsed_ms = performance.now() - begin_ms;
      this.#write(progressLine({ ...options, progress, elapsed_ms, columns, color }));
    };
    draw();
    this.#draw = setInterval(draw, DRAW_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#draw);
    this.#signals[Symbol.dispose]();
    this.#write("");
  }

  /** Writes over the line, and takes away what was longer. */
  #write(line: string): void {
    writeNotice(this.#io.stderr, `\r${line}\x1b[K`);
  }
}
