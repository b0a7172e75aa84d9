/**
 * How far `ipc bench` has come, on one line of a terminal that is written over and over.
 *
 * @module
 */
import type { Io } from "../io.ts";
import { writeNotice } from "../notice.ts";

/** How often it is drawn. */
const DRAW_MS = 100;
const BAR_CELLS = 30;

/** A line that is drawn until it is disposed of, and then empty again. Where nobody would see it, it is not. */
export class LiveLine implements Disposable {
  readonly #io: Io;
  readonly #text: () => string;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param wanted Whether people want to see it.
   * @param text What it shows at this moment.
   */
  constructor(wanted: boolean, io: Io, text: () => string) {
    this.#io = io;
    this.#text = text;
    if (wanted && io.stderr.is_terminal && io.env("TERM") !== "dumb") {
      this.#timer = setInterval(() => this.draw(), DRAW_MS);
    }
  }

  /** Draws it now. */
  draw(): void {
    if (this.#timer === undefined) return;
    writeNotice(this.#io.stderr, `\r${this.#text().slice(0, (this.#io.stderr.columns ?? 80) - 1)}\x1b[K`);
  }

  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    writeNotice(this.#io.stderr, "\r\x1b[K");
  }
}

/** Parts that take equally long, one after the other, as a bar. */
export class BenchProgress implements Disposable {
  readonly #line: LiveLine;
  #part = -1;
  #begin_ms = 0;
  #name = "";

  /** @param parts How many there will be, of `part_ms` each. */
  constructor(wanted: boolean, io: Io, parts: number, part_ms: number) {
    this.#line = new LiveLine(wanted, io, () => {
      const of_part = Math.min(1, (performance.now() - this.#begin_ms) / part_ms);
      const done = (this.#part + of_part) / parts, full = Math.floor(done * BAR_CELLS);
      const bar = `[${"=".repeat(full)}${full < BAR_CELLS ? ">" : ""}`.padEnd(BAR_CELLS + 1);
      return `${bar}] ${Math.floor(done * 100)}%  ${this.#name}`;
    });
  }

  /** The next part begins. */
  begin(name: string): void {
    this.#part++;
    this.#name = name;
    this.#begin_ms = performance.now();
    this.#line.draw();
  }

  [Symbol.dispose](): void {
    this.#line[Symbol.dispose]();
  }
}
