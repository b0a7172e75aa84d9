/**
 * What stands in for `node:*` in the bundle. Commander imports six of Node's modules for what ipc never asks of it (its
 * own subprocesses, `process.argv`, terminal widths), and each would cost every start some milliseconds. Anything that
 * is missing here fails in the tests, which run the bundle.
 *
 * @module
 */

/** Sources by specifier. */
export const NODE_STUBS: ReadonlyMap<string, string> = new Map([
  [
    "node:events",
    `export class EventEmitter {
      #listeners = new Map();
      on(name, listener) {
        this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
        return this;
      }
      emit(name, ...values) {
        for (const listener of this.#listeners.get(name) ?? []) listener.apply(this, values);
        return this.#listeners.has(name);
      }
      listenerCount(name) {
        return this.#listeners.get(name)?.length ?? 0;
      }
    }`,
  ],
  ["node:child_process", "export default {};"],
  ["node:path", "export default {};"],
  ["node:fs", "export default {};"],
  ["node:process", `export default { argv: [], env: {}, execArgv: [], stdout: {}, stderr: {}, versions: {} };`],
  // Only called on text without colours: the parsers turn those off.
  ["node:util", "export const stripVTControlCharacters = (text) => text;"],
]);
