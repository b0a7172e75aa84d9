/**
 * Files that `ipc service` wrote, known by their first line. What somebody else wrote is neither overwritten nor removed.
 *
 * @module
 */
import { EXIT, Failure } from "../exit_codes.ts";
import { MARK } from "./units.ts";

/** A file as it should be. */
export interface ServiceFile {
  path: string;
  text: string;
  /** It is for people to change: written once, and removed only as it was written. */
  theirs?: true;
}

/** How a file is. */
export type FileState = "as it should be" | "different" | "missing" | "not ipc's";

/** Looks at one. */
export function fileState({ path, text, theirs }: ServiceFile): FileState {
  const found = read(path);
  if (found === undefined) return "missing";
  if (found === text || theirs) return "as it should be";
  return isOurs(found) ? "different" : "not ipc's";
}

/**
 * Writes those that are not as they should be.
 *
 * @returns Which were written.
 * @throws {Failure} If one is somebody else's; then none was written.
 */
export function writeFiles(files: readonly ServiceFile[]): string[] {
  const wanted = files.filter((file) => fileState(file) !== "as it should be");
  for (const file of wanted) {
    if (fileState(file) !== "not ipc's") continue;
    throw new Failure(
      EXIT.DENIED,
      `cannot write "${file.path}": it was not written by ipc service. Move it away first; changes of your own belong ` +
        "into drop-ins, see systemctl edit",
    );
  }
  for (const { path, text } of wanted) {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o755 });
    // In one step, as systemd may be reading it.
    const draft = `${path}.${Deno.pid}`;
    Deno.writeTextFileSync(draft, text);
    Deno.chmodSync(draft, 0o644);
    Deno.renameSync(draft, path);
  }
  return wanted.map(({ path }) => path);
}

/** Removes those that are ours, and directories that are empty then. @returns What was removed, and what is to stay. */
export function removeFiles(
  files: readonly ServiceFile[],
  directories: readonly string[],
): Record<"removed" | "kept", string[]> {
  const removed: string[] = [], kept: string[] = [];
  for (const { path, text, theirs } of files) {
    const found = read(path);
    if (found === undefined) continue;
    if (theirs ? found === text : isOurs(found)) {
      Deno.removeSync(path);
      removed.push(path);
    } else kept.push(path);
  }
  for (const directory of directories) {
    try {
      Deno.removeSync(directory);
    } catch {
      // It is not there, or others have something in it.
    }
  }
  return { removed, kept };
}

function isOurs(text: string): boolean {
  return text.split("\n", 1)[0] === MARK;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}
