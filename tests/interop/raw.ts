/**
 * A connection of plain bytes, for what no library would send.
 *
 * @module
 */
import { within } from "../e2e/wait.ts";

const encoder = new TextEncoder();

/** See the module's head. */
export class Raw implements Disposable {
  readonly conn: Deno.UnixConn;
  /** What has been read. */
  heard: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  readonly #into = new Uint8Array(256 * 1024);

  private constructor(conn: Deno.UnixConn) {
    this.conn = conn;
  }

  static async connect(path: string): Promise<Raw> {
    return new Raw(await Deno.connect({ transport: "unix", path }));
  }

  /** Writes all of it. False if the broker has closed meanwhile. */
  async send(data: string | Uint8Array): Promise<boolean> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    try {
      for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset) return false;
      throw error;
    }
  }

  /** Says that it will send nothing more. */
  async halfClose(): Promise<void> {
    await this.conn.closeWrite();
  }

  /** Reads until `enough`, or the end. */
  async until(enough: (heard: Uint8Array<ArrayBuffer>) => boolean): Promise<Uint8Array<ArrayBuffer>> {
    while (!enough(this.heard) && await within(this.#read(), () => `the broker only says ${this.text()}`));
    return this.heard;
  }

  /** Reads to the end. */
  end(): Promise<Uint8Array<ArrayBuffer>> {
    return this.until(() => false);
  }

  /** Reads until there are so many lines. */
  async lines(count: number): Promise<string[]> {
    await this.until(() => this.text().split("\n").length > count);
    return this.text().split("\n").slice(0, count);
  }

  /** What has been read, as text. */
  text(): string {
    return new TextDecoder().decode(this.heard);
  }

  [Symbol.dispose](): void {
    this.conn.close();
  }

  async #read(): Promise<boolean> {
    let got: number | null;
    try {
      got = await this.conn.read(this.#into);
    } catch (error) {
      // The broker has closed without having read everything.
      if (error instanceof Deno.errors.ConnectionReset) return false;
      throw error;
    }
    if (got === null) return false;
    const heard = new Uint8Array(this.heard.length + got);
    heard.set(this.heard);
    heard.set(this.#into.subarray(0, got), this.heard.length);
    this.heard = heard;
    return true;
  }
}
