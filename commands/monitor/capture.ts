/**
 * The file of `ipc monitor --capture`: one JSON object a line. The first line says what it is, the others are what
 * `ipc monitor --json` prints. docs/monitoring.md describes it.
 *
 * @module
 */
import { buildInfo } from "../build_info.ts";
import { EXIT, Failure } from "../exit_codes.ts";

/** Changes when what can be read from a line does. */
const FORMAT = 1;

/** A file that is being written. */
export class Capture {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Begins a file, in the place of what was there. It holds what others said, so nobody else may read it.
   *
   * @throws {Failure}
   */
  static async create(path: string, glob: string, payload_bytes: number): Promise<Capture> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { write: true, create: true, truncate: true, mode: 0o600 });
    } catch (error) {
      const why = error instanceof Deno.errors.NotCapable
        ? "Deno opens next to nothing below /dev, /proc and /sys: --json prints the same"
        : (error as Error).message;
      throw new Failure(EXIT.OUTPUT, `Cannot write to ${JSON.stringify(path)}: ${why}`);
    }
    const capture = new Capture(path, file), { version } = await buildInfo();
    const time = new Date().toISOString();
    capture.write(`${JSON.stringify({ time, type: "capture", format: FORMAT, version, glob, payload_bytes })}\n`);
    return capture;
  }

  /** Writes all of it. @throws {Failure} */
  write(text: string): void {
    try {
      for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
        rest = rest.subarray(this.#file.writeSync(rest));
      }
    } catch (error) {
      throw new Failure(EXIT.OUTPUT, `Cannot write to ${JSON.stringify(this.#path)}: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#file.close();
  }
}
