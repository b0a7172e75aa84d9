/**
 * Takes lines out of what a connection has read, where they stand: the memory is that of `protocol/scanner.ts`, which
 * grows with what has arrived.
 *
 * A line ends in LF or CR LF. Its bytes stand in `connection.scanner.bytes` from `start` to `end` until the next read.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import type { Connection } from "../transport/connection.ts";

const LF = 0x0a, CR = 0x0d;

/** See the module's head. */
export class LineReader {
  /** First byte of the line that was taken. */
  start = 0;
  /** One past its last byte, line end not included. */
  end = 0;
  readonly #connection: Connection;
  readonly #limit: () => number;
  /** How many bytes, from the first that is not taken, are known to hold no line end. */
  #searched = 0;

  /** @param limit How many bytes a line may have. */
  constructor(connection: Connection, limit: () => number) {
    this.#connection = connection;
    this.#limit = limit;
  }

  /** Bytes that have come and are not taken. */
  get held_bytes(): number {
    const { scanner } = this.#connection;
    return scanner.end - scanner.start;
  }

  /** The line that was taken, a view. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#connection.scanner.bytes.subarray(this.start, this.end);
  }

  /**
   * Takes the next line, if it is there as a whole.
   *
   * @throws {IpcError} TOO_LARGE, also for one that has no end yet.
   */
  take(): boolean {
    const { scanner } = this.#connection, { bytes, start, end } = scanner;
    // What stands behind `end` is older: a line end there is none.
    const found = this.#searched < end - start ? bytes.indexOf(LF, start + this.#searched) : -1;
    if (found < 0 || found >= end) {
      this.#searched = end - start;
      this.#check(end > start && bytes[end - 1] === CR ? end - start - 1 : end - start);
      return false;
    }
    this.start = start;
    this.end = found > start && bytes[found - 1] === CR ? found - 1 : found;
    this.#check(this.end - start);
    scanner.start = found + 1;
    this.#searched = 0;
    return true;
  }

  /** Takes everything that is there as a line. False if there is nothing. */
  rest(): boolean {
    const { scanner } = this.#connection;
    this.start = scanner.start;
    this.end = scanner.start = scanner.end;
    this.#searched = 0;
    return this.end > this.start;
  }

  #check(bytes: number): void {
    const limit = this.#limit();
    if (bytes > limit) throw new IpcError("TOO_LARGE", `line of ${bytes} bytes or more, limit is ${limit}`);
  }
}
