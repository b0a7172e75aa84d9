/**
 * Tokens at the doors: which are accepted, and of those that were shown, which still are.
 *
 * @module
 */
import type { TokenHash } from "../config/settings.ts";
import { IpcError } from "../protocol/errors.ts";
import type { Admission } from "./identity.ts";

/** Judges tokens at a door, or at several. What it accepts may change while they are open. */
export class TokenGate {
  #tokens: readonly TokenHash[] | undefined;
  readonly #needed: boolean;
  readonly #refused: (why: string) => void;

  /**
   * @param needed Whether whoever shows none is refused.
   * @param refused Told why somebody is.
   */
  constructor(needed: boolean, refused: (why: string) => void) {
    this.#needed = needed;
    this.#refused = refused;
  }

  /** What is accepted from now on; `undefined` if tokens are not looked at. */
  change(tokens: readonly TokenHash[] | undefined): void {
    this.#tokens = tokens;
  }

  /**
   * @returns `undefined` for somebody without a token, and where none is looked at.
   * @throws {IpcError} UNAUTHORIZED for a token that is not accepted, or none where one is needed.
   */
  admit(token: string | undefined): Admission | undefined | Promise<Admission | undefined> {
    if (this.#tokens === undefined) return undefined;
    if (token !== undefined) return this.#judge(token, this.#tokens);
    return this.#needed ? this.#refuse("a token is needed here") : undefined;
  }

  async #judge(token: string, tokens: readonly TokenHash[]): Promise<Admission> {
    const shown = await hashOf(token), found = match(shown, tokens);
    if (found === undefined) return this.#refuse("the token is not accepted here");
    return {
      token: found.name,
      revoked: () => !(this.#tokens ?? []).some(({ name, sha256 }) => name === found.name && sha256 === found.sha256),
    };
  }

  #refuse(why: string): never {
    this.#refused(why);
    throw new IpcError("UNAUTHORIZED", why);
  }
}

async function hashOf(token: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
}

/** Whose token it is; `undefined` if it is nobody's. Takes as long for a wrong token as for a right one. */
function match(shown: Uint8Array, tokens: readonly TokenHash[]): TokenHash | undefined {
  let found: TokenHash | undefined;
  for (const token of tokens) {
    const expected = Uint8Array.fromHex(token.sha256);
    let difference = 0;
    for (let at = 0; at < shown.length; at++) difference |= shown[at]! ^ expected[at]!;
    found = difference === 0 ? token : found;
  }
  return found;
}
