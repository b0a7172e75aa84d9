/**
 * Tables of command lines: many of them in one sandbox, some at a time.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { CliSandbox } from "./sandbox.ts";

/** A line of shell, the code that it leaves with, and what its standard error says. */
export type Row = readonly [line: string, code: number, said: RegExp];

/** How many lines run at once. */
const AT_ONCE = 4;

/** Does something with each of several things, some at a time. */
export async function forEach<T>(all: Iterable<T>, each: (one: T) => Promise<void>, at_once = AT_ONCE): Promise<void> {
  const left = all[Symbol.iterator]();
  const runs = await Promise.allSettled(Array.from({ length: at_once }, async () => {
    for (let next = left.next(); !next.done; next = left.next()) await each(next.value);
  }));
  for (const run of runs) if (run.status === "rejected") throw run.reason;
}

/** Runs lines that do not depend on one another, each with {@linkcode bothWays}. */
export async function runRows(cli: CliSandbox, rows: Iterable<Row>): Promise<void> {
  await forEach(rows, (row) => bothWays(cli, ...row));
}

/** Runs a line with a pipe and with a terminal as its standard output; both must end alike. */
export async function bothWays(cli: CliSandbox, line: string, code: number, said: RegExp): Promise<void> {
  const piped = await cli.sh(line);
  assert.equal(piped.code, code, `${line}: ${piped.stderr}`);
  assert.match(piped.stderr, said, line);
  if (code !== 0 && code !== 141) assert.match(piped.stderr, /^ipc: /m, line);
  const shown = await cli.terminal(line);
  assert.equal(shown.code, code, `${line}, on a terminal: ${shown.stdout}`);
  assert.match(shown.stdout, said, `${line}, on a terminal`);
}
