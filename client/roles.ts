/**
 * The roles that this client has told the broker, and those that it wants by now.
 *
 * @module
 */
import { decodePosition, encodeRoles, type Hello, type Position, type Roles as RoleNames } from "../protocol/bodies.ts";
import { FRAME_TYPES } from "../protocol/frame.ts";
import type { Correlation } from "./correlation.ts";
import type { Sender } from "./sender.ts";

type Wanted = Required<Pick<RoleNames, "listen" | "handle" | "presence">>;

const NAMES = ["listen", "handle", "presence"] as const;

/** See the module's head. */
export class Roles {
  readonly #sender: Sender;
  readonly #ids: Correlation;
  readonly #wanted: () => Wanted;
  /** What the broker was told on this connection; `undefined` while there is none. */
  #told: Wanted | undefined;
  /** Whether each unanswered ROLES began to listen. */
  readonly #open: Map<number, boolean> = new Map();

  constructor(sender: Sender, ids: Correlation, wanted: () => Wanted) {
    this.#sender = sender;
    this.#ids = ids;
    this.#wanted = wanted;
  }

  /** Whether the broker has not yet answered. */
  get waiting(): boolean {
    return this.#open.size > 0;
  }

  has(id: number): boolean {
    return this.#open.has(id);
  }

  /** Says them in HELLO. */
  introduce(hello: Hello): void {
    const wanted = this.#wanted();
    for (const name of NAMES) if (wanted[name]) hello[name] = true;
  }

  /** A connection was made with this HELLO. */
  begin(hello: Hello): void {
    this.#told = { listen: hello.listen === true, handle: hello.handle === true, presence: hello.presence === true };
    this.update();
  }

  /** The connection is gone. */
  end(): void {
    this.#told = undefined;
    this.#open.clear();
  }

  /** Tells the broker what has changed. */
  update(): void {
    const told = this.#told;
    if (told === undefined) return;
    const wanted = this.#wanted(), changed: RoleNames = {};
    for (const name of NAMES) if (wanted[name] !== told[name]) changed[name] = wanted[name];
    if (Object.keys(changed).length === 0) return;
    const id = this.#ids.next();
    this.#open.set(id, changed.listen === true);
    this.#told = wanted;
    this.#sender.sendNow(FRAME_TYPES.ROLES, id, 0, encodeRoles(changed));
  }

  /**
   * ACK of ROLES.
   *
   * @returns Where a listener that it made begins.
   */
  acknowledged(id: number, payload: Uint8Array<ArrayBuffer>): Position | undefined {
    const listens = this.#open.get(id);
    this.#open.delete(id);
    return listens === true ? decodePosition(payload) : undefined;
  }

  /** ERROR for ROLES. */
  refused(id: number): void {
    this.#open.delete(id);
  }
}
