/**
 * How far a long piece of work is, on standard error: a bar that is drawn over itself on a terminal, a line a case
 * elsewhere.
 *
 * @module
 */

const BAR_CELLS = 24;

/** Shows progress. Disposing of it takes the bar away. */
export class Progress implements Disposable {
  readonly #terminal = Deno.stderr.isTerminal();
  readonly #encoder = new TextEncoder();
  readonly #all: number;
  readonly #started_ms = Date.now();
  #done = 0;
  #name = "";

  /** @param all How many parts there are. */
  constructor(all: number) {
    this.#all = all;
  }

  /** The next part begins. */
  begin(name: string): void {
    this.#name = name;
    if (!this.#terminal) this.#write(`${this.#done + 1}/${this.#all} ${name} ...\n`);
    this.step(0, 1, "");
  }

  /** So much of the part is done. */
  step(done: number, all: number, what: string): void {
    if (!this.#terminal) return;
    const share = (this.#done + done / Math.max(1, all)) / this.#all, full = Math.round(share * BAR_CELLS);
    const bar = "█".repeat(full) + "░".repeat(BAR_CELLS - full);
    const line = `${bar} ${Math.floor(share * 100)} %  ${this.#elapsed()}  ${this.#name}: ${what}`;
    this.#write(`\r\x1b[K${line.slice(0, this.#columns() - 1)}`);
  }

  /** The part is over. */
  end(): void {
    this.#done++;
  }

  /** Prints a line beside it. */
  print(line: string): void {
    this.#write(`${this.#terminal ? "\r\x1b[K" : ""}${line}\n`);
  }

  [Symbol.dispose](): void {
    if (this.#terminal) this.#write("\r\x1b[K");
  }

  #elapsed(): string {
    const seconds = Math.floor((Date.now() - this.#started_ms) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  #columns(): number {
    try {
      return Deno.consoleSize().columns;
    } catch {
      return 80; // A terminal that does not know its size.
    }
  }

  #write(text: string): void {
    try {
      Deno.stderr.writeSync(this.#encoder.encode(text));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // Who does not look may go.
    }
  }
}
