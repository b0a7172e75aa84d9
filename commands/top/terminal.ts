/**
 * The terminal as `ipc top` needs it: the other screen, keys one by one, no cursor. Whatever happens, it is put back as it
 * was: when it is disposed of, and when the program ends in a way that nobody expected.
 *
 * @module
 */
import type { Output } from "../io.ts";
import type { Style } from "./screen.ts";

const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l", LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/** Ways to end that pass by whoever holds the terminal. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;
/** What a terminal that does not say how large it is, is taken for. */
const COLUMNS = 80, ROWS = 24;

/** Keys that are not characters, by what terminals send for them. */
const KEYS: ReadonlyMap<string, string> = new Map([
  ["\x1b[A", "up"],
  ["\x1bOA", "up"],
  ["\x1b[B", "down"],
  ["\x1bOB", "down"],
  ["\x1b[5~", "pageup"],
  ["\x1b[6~", "pagedown"],
  ["\x1b[H", "home"],
  ["\x1b[1~", "home"],
  ["\x1bOH", "home"],
  ["\x1b[F", "end"],
  ["\x1b[4~", "end"],
  ["\x1bOF", "end"],
  ["\x1b", "escape"],
  ["\r", "enter"],
  ["\n", "enter"],
  ["\t", "tab"],
  ["\x7f", "backspace"],
  ["\b", "backspace"],
  ["\x03", "interrupt"],
]);

/** See the module's head. */
export class Terminal implements Disposable {
  readonly #output: Output;
  readonly #restore = (): void => this[Symbol.dispose]();
  #open = true;

  constructor(output: Output) {
    this.#output = output;
    for (const end of ENDS) addEventListener(end, this.#restore);
    Deno.stdin.setRaw(true);
    this.#output.write(ENTER);
  }

  /** How large it is now. */
  size(): Pick<Style, "columns" | "rows"> {
    try {
      const { columns, rows } = Deno.consoleSize();
      return columns > 0 && rows > 0 ? { columns, rows } : { columns: COLUMNS, rows: ROWS };
    } catch {
      return { columns: COLUMNS, rows: ROWS };
    }
  }

  /** Shows a whole screen in the place of the one before. */
  show(lines: readonly string[]): void {
    // Cleared first: behind a line that is as wide as the screen, the cursor still stands on its last character.
    if (this.#open) this.#output.write(`\x1b[H${lines.map((line) => `\x1b[2K${line}`).join("\r\n")}`);
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    for (const end of ENDS) removeEventListener(end, this.#restore);
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal itself is gone.
    }
    try {
      this.#output.write(LEAVE);
    } catch {
      // So is whoever showed it.
    }
  }
}

/** Takes apart what one read of the keyboard gave. What no key here sends is left out. */
export function keysOf(bytes: Uint8Array): string[] {
  const keys: string[] = [];
  for (let rest = new TextDecoder().decode(bytes); rest.length > 0;) {
    // deno-lint-ignore no-control-regex -- they are what it looks for
    const [sequence] = /^(?:\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])?|[^])/u.exec(rest)!;
    rest = rest.slice(sequence.length);
    const key = KEYS.get(sequence) ?? (/^[^\p{C}]$/u.test(sequence) ? sequence : undefined);
    if (key !== undefined) keys.push(key);
  }
  return keys;
}
