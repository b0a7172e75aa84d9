/**
 * Files that are there whole or not at all.
 *
 * @module
 */

/**
 * Writes a file that was not there. If it cannot be written whole, on a disk that is full for one, it is taken away again,
 * so that the next try does not find half of it.
 *
 * @throws {Deno.errors.AlreadyExists} If it is there.
 */
export function writeNewFile(path: string, text: string, mode: number): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  try {
    for (let rest = new TextEncoder().encode(text); rest.length > 0;) rest = rest.subarray(file.writeSync(rest));
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  }
}
