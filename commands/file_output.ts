/**
 * A file that is written to as if it were standard output: each write is whole when it returns, and nothing waits.
 *
 * @module
 */
import { EXIT, Failure } from "./exit_codes.ts";
import { type Output, WriteError } from "./io.ts";
import { whyNotOpened } from "./special_files.ts";

/** What to do with a file that is there already. */
export type IfThere = "refuse" | "overwrite" | "append";

/** See the module's head. */
export class FileOutput implements Output, Disposable {
  readonly is_terminal = false;
  readonly #path: string;
  readonly #file: Deno.FsFile;

  constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  write(data: Uint8Array | string): void {
    let bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    try {
      while (bytes.length > 0) bytes = bytes.subarray(this.#file.writeSync(bytes));
    } catch (error) {
      throw new WriteError(`cannot write to ${this.#path}: ${(error as Error).message}`);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Opens a file to write to. Only what is a regular file is refused or overwritten: a device or a named pipe is no loss.
 *
 * @throws {Failure} If it is there and must not be, or cannot be opened.
 */
export async function openOutput(path: string, if_there: IfThere): Promise<FileOutput> {
  try {
    return new FileOutput(path, await Deno.open(path, await openOptions(path, if_there)));
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new Failure(EXIT.OUTPUT, `${path} is there already: --force overwrites it, --append adds to it`);
    }
    throw new Failure(EXIT.OUTPUT, `cannot write to ${path}: ${whyNotOpened(error, path, ">")}`);
  }
}

async function openOptions(path: string, if_there: IfThere): Promise<Deno.OpenOptions> {
  if (!await isOther(path)) {
    if (if_there === "refuse") return { write: true, createNew: true };
    return if_there === "append" ? { append: true, create: true } : { write: true, create: true, truncate: true };
  }
  return { write: true };
}

/** Whether it is there and is no regular file. */
async function isOther(path: string): Promise<boolean> {
  try {
    return !(await Deno.stat(path)).isFile;
  } catch {
    return false; // opening it says what is wrong
  }
}
