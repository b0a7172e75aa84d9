/**
 * What the tests of this directory share: assertions, and a machine's directories in a temporary one, so that no test
 * reads the files of whoever runs it.
 *
 * @module
 */
import { type Loaded, type LoadOptions, loadSettings } from "./load.ts";

/** Fails unless two values are the same. */
export function assertIs<T>(actual: T, expected: T, what = "value"): void {
  if (!Object.is(actual, expected)) throw new Error(`${what} is ${String(actual)}, not ${String(expected)}`);
}

/** Fails unless two values are the same when written as JSON. */
export function assertJson(actual: unknown, expected: unknown): void {
  assertIs(JSON.stringify(actual), JSON.stringify(expected));
}

/** Fails unless a text holds another. */
export function assertHolds(text: string, part: string): void {
  if (!text.includes(part)) throw new Error(`${JSON.stringify(text)} does not hold ${JSON.stringify(part)}`);
}

/** Fails unless a function throws such an error with such a message. */
export function assertFails(run: () => unknown, type: new (...args: never[]) => Error, part: string): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof type)) throw error;
    return assertHolds(error.message, part);
  }
  throw new Error(`nothing was thrown, expected ${type.name} with ${JSON.stringify(part)}`);
}

/** Directories as a machine has them. */
export interface Machine extends Disposable {
  /** The directory that holds all. */
  root: string;
  /** A project's directory, in `home`. */
  cwd: string;
  home: string;
  /** Writes a file, `path` relative to `root`, and says where it is. */
  write(path: string, content: string | Uint8Array, mode?: number): string;
  /** Loads with this machine's places; variables are those given. */
  load(variables?: Record<string, string>, options?: Partial<LoadOptions>): Promise<Loaded>;
  /** The message that loading ends with. */
  refused(variables?: Record<string, string>, options?: Partial<LoadOptions>): Promise<string>;
}

/** Makes one: `project/` in `home/`, `home/.config/`, `etc/`. */
export function machine(): Machine {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "ipc-config-" }));
  const home = `${root}/home`, cwd = `${home}/project`;
  Deno.mkdirSync(`${cwd}/src`, { recursive: true });
  const load: Machine["load"] = (variables = {}, options = {}) =>
    loadSettings({
      cwd,
      env: (name) => new Map(Object.entries({ HOME: home, ...variables })).get(name),
      system_file: `${root}/etc/ipc/config.toml`,
      os: "linux",
      ...options,
    });
  return {
    root,
    cwd,
    home,
    load,
    write(path, content, mode = 0o644) {
      const full = `${root}/${path}`;
      Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
      if (typeof content === "string") Deno.writeTextFileSync(full, content);
      else Deno.writeFileSync(full, content);
      Deno.chmodSync(full, mode);
      return full;
    },
    async refused(variables, options) {
      const result = await load(variables, options).catch((error: Error) => error);
      if (result instanceof Error && result.name === "ConfigError") return result.message;
      if (result instanceof Error) throw result;
      throw new Error("the configuration was accepted");
    },
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}
