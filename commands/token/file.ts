/**
 * Changes a broker's file of tokens, so that a broker that reads it meanwhile sees the old one or the new one whole, and
 * of two who change it at once neither undoes the other: under a lock, by a new file in its place.
 *
 * @module
 */
import { checkRulesFile } from "../../config/files.ts";
import { parseTokens } from "../../config/tokens.ts";
import { EXIT, Failure } from "../exit_codes.ts";

/** What a new file begins with. A file with nothing at all in it is refused by brokers, as one that was cut off. */
const HEAD = '# Tokens that the broker accepts, name:SHA-256. Written by "ipc token".';

/** See the module's head. */
export class TokenFile {
  constructor(readonly path: string) {}

  /** @throws {Failure} If it is not there, or cannot be read. */
  read(): string {
    try {
      return Deno.readTextFileSync(this.path);
    } catch (error) {
      throw new Failure(EXIT.CONFIGURATION, `cannot read the tokens: ${(error as Error).message}`, { cause: error });
    }
  }

  /**
   * Changes it, or makes it, readable for this user alone.
   *
   * @param edit From the lines to the lines. If it throws, nothing is changed.
   * @param undo Called if the change could not be written after all.
   * @returns Whether the file was made.
   * @throws {ConfigError} If it is wrong as it is.
   */
  change(edit: (lines: readonly string[]) => readonly string[], undo: () => void = () => {}): boolean {
    let is_made = false;
    try {
      is_made = this.#make();
      using file = this.#locked();
      const path = Deno.realPathSync(this.path), text = Deno.readTextFileSync(path);
      checkRulesFile(path);
      parseTokens(text, path);
      const before = text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
      const lines = edit(before.length === 0 ? [HEAD] : before);
      const head = lines.some((line) => !line.startsWith("#")) || lines.includes(HEAD) ? [] : [HEAD];
      try {
        replace(path, [...head, ...lines, ""].join("\n"), file.statSync());
      } catch (error) {
        undo();
        throw error;
      }
      return is_made;
    } catch (error) {
      // Empty it would be refused by a broker.
      if (is_made) Deno.removeSync(this.path);
      if (error instanceof Failure || (error as Error).name === "ConfigError") throw error;
      const why = (error as Error).message;
      throw new Failure(EXIT.CONFIGURATION, `cannot write the tokens to "${this.path}": ${why}`, { cause: error });
    }
  }

  /** @returns Whether it was not there. */
  #make(): boolean {
    try {
      Deno.openSync(this.path, { write: true, createNew: true, mode: 0o600 }).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
  }

  /** Opens the file that stands at the path, and no one that another has just put in its place. */
  #locked(): Deno.FsFile {
    for (;;) {
      const file = Deno.openSync(this.path, { read: true, write: true });
      file.lockSync(true);
      if (file.statSync().ino === Deno.statSync(this.path).ino) return file;
      file.close();
    }
  }
}

/** Puts a file in the place of another, with its owner and mode. */
function replace(path: string, text: string, { uid, gid, mode }: Deno.FileInfo): void {
  const fresh = `${path}.${Deno.pid}.new`;
  try {
    {
      using file = Deno.openSync(fresh, { write: true, createNew: true, mode: 0o600 });
      file.writeSync(new TextEncoder().encode(text));
      const made = file.statSync();
      if (made.uid !== uid || made.gid !== gid) Deno.chownSync(fresh, uid, gid);
      if (mode !== null) Deno.chmodSync(fresh, mode & 0o7777);
      file.syncSync();
    }
    Deno.renameSync(fresh, path);
  } catch (error) {
    try {
      Deno.removeSync(fresh);
    } catch { /* it was not made */ }
    throw error;
  }
}
