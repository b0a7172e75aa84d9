/**
 * A disk that is soon full: a file system in memory, mounted over a directory. It takes root, and the right to mount.
 *
 * @module
 */

/** See the module's head. */
export class SmallDisk implements Disposable {
  readonly #path: string;
  #fillers = 0;

  /**
   * Mounts it over a directory.
   *
   * @param files How many files it holds, sockets and directories among them.
   * @param bytes How much is in them, a page of 4 KiB at least.
   */
  constructor(path: string, { files, bytes }: { files: number; bytes: number }) {
    run("mount", "-t", "tmpfs", "-o", `size=${bytes},nr_inodes=${files},mode=700`, "ipc-test", path);
    this.#path = path;
  }

  /** Leaves no room for a byte. */
  fill(): void {
    using file = Deno.createSync(this.#filler());
    full(() => {
      for (;;) file.writeSync(new Uint8Array(4096));
    });
  }

  /** Leaves no room for a file, not even an empty one. */
  fillWithFiles(): void {
    full(() => {
      for (;;) Deno.createSync(this.#filler()).close();
    });
  }

  /** Takes away what it was filled with. */
  empty(): void {
    for (; this.#fillers > 0; this.#fillers--) {
      try {
        Deno.removeSync(`${this.#path}/filler-${this.#fillers}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    // Whoever has files open there keeps them.
    run("umount", "--lazy", this.#path);
  }

  #filler(): string {
    return `${this.#path}/filler-${++this.#fillers}`;
  }
}

function full(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!(error as Error).message.includes("No space left")) throw error;
  }
}

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

function mountable(): boolean {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-mount-" });
  try {
    new SmallDisk(directory, { files: 4, bytes: 4096 })[Symbol.dispose]();
    return true;
  } catch (error) {
    console.error(`nothing can be mounted here, so there is no disk to be filled: ${(error as Error).message.trim()}`);
    return false;
  } finally {
    Deno.removeSync(directory);
  }
}

/** Options of a test that needs one. */
export const WITH_DISK = { ignore: !mountable() };
