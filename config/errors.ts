/**
 * What is wrong with a configuration. Light, so that whoever catches it need not load what reads it.
 *
 * @module
 */

/** One thing that is wrong, in one place. */
export interface Problem {
  /** The file (with line and column if it is not TOML), `IPC_*` variable or option that it stands in. */
  where: string;
  /** The key, with its tables (`channels.deploys.queue`), if the problem is one key's. */
  key?: string;
  /** What is wrong, with the value and what is allowed instead. */
  message: string;
}

/**
 * A configuration that cannot be used: the exit code for it is 78. Names everything that is wrong, not the first thing
 * only, so that it can be put right in one go.
 *
 * @example
 * ```ts
 * import { ConfigError } from "./errors.ts";
 *
 * const error = new ConfigError([{ where: "IPC_QUEUE", key: "queue", message: '"x" is not a size' }]);
 * if (error.message !== 'Cannot use the configuration: IPC_QUEUE: "x" is not a size') throw new Error(error.message);
 * ```
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Everything that was found, in the order of precedence. */
  readonly problems: readonly Problem[];

  /** @param problems At least one. */
  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ where, message }) => `${where}: ${message}`);
    super(`Cannot use the configuration: ${lines.length === 1 ? lines[0] : ["", ...lines].join("\n  ")}`);
    this.problems = problems;
  }
}

/** A value as it stands in a message: short, whatever it is. */
export function show(raw: unknown): string {
  if (isTable(raw)) return "a table";
  const text = raw instanceof Date ? raw.toISOString() : typeof raw === "number" ? String(raw) : JSON.stringify(raw);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Whether a value of a TOML document is a table. */
export function isTable(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw) && !(raw instanceof Date);
}
