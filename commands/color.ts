/**
 * Colour, where people look and have not said that they want none.
 *
 * @module
 */
import type { Io, Output } from "./io.ts";

/** Whether what is written there may be coloured: a terminal that can, and no `NO_COLOR`. */
export function wantsColor(output: Pick<Output, "is_terminal">, { env }: Pick<Io, "env">): boolean {
  return output.is_terminal && !env("NO_COLOR") && env("TERM") !== "dumb";
}

/** A text between the sequences that begin and end a colour, `31` or `1;31`; as it is for no colour. */
export function painted(text: string, color: string): string {
  return color === "" ? text : `\x1b[${color}m${text}\x1b[0m`;
}
