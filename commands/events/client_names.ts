/**
 * Which name each client of a channel has, told by the broker as they come: an event of a client that sent one line and
 * left can still be given its name.
 *
 * @module
 */
import type { Presence } from "../../client/mod.ts";

/** How many of those that left are remembered. Their last events may still wait to be printed. */
const LEFT_MAX = 1024;

/** Names by client id. */
export class ClientNames {
  readonly #names = new Map<number, string>();
  readonly #left: number[] = [];

  /** Notes who came or went. */
  note({ event, client, name }: Presence): void {
    if (event !== "leave") {
      this.#names.set(client, name);
      return;
    }
    this.#left.push(client);
    if (this.#left.length > LEFT_MAX) this.#names.delete(this.#left.shift()!);
  }

  /** Empty for a client that is not known. */
  nameOf(client: number): string {
    return this.#names.get(client) ?? "";
  }
}
