/**
 * Files that Deno opens only for programs that may do everything, which `ipc` may not: all below `/dev`, `/proc` and
 * `/sys` but a few. Standard input and output have such names too, and those are no reason to fail.
 *
 * @module
 */
const STANDARD = [["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"], ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]];

/** The path that means the same to a command: `-` for the names of standard input. */
export function inputPath(path: string): string {
  return STANDARD[0]!.includes(path) ? "-" : path;
}

/** The same for standard output. */
export function outputPath(path: string): string {
  return STANDARD[1]!.includes(path) ? "-" : path;
}

/**
 * Why a file cannot be opened, and what to do if that is because of its place.
 *
 * @param instead What reads or writes it nevertheless: `<` or `>`.
 */
export function whyNotOpened(error: unknown, path: string, instead: "<" | ">"): string {
  if (!(error instanceof Deno.errors.NotCapable)) return (error as Error).message;
  return `Deno opens next to nothing below /dev, /proc and /sys; the shell does: give - instead, and ${instead} ${path}`;
}
