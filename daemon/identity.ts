/**
 * Who a client is, as far as a broker can know. Rules and quotas go by it.
 *
 * @module
 */

/**
 * What the kernel says of the process at the other end of a Unix socket (`SO_PEERCRED` and `SO_PEERGROUPS`, unix(7)), as of
 * its connect.
 */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  /** The process's own group. */
  readonly gid: number;
  /** Its other groups; its own may be among them. */
  readonly groups: readonly number[];
}

/** See the module's head. */
export interface Identity {
  /** Name of the token that it showed; `undefined` if it showed none. */
  readonly token: string | undefined;
  /** What it calls itself, which proves nothing. */
  readonly name: string;
  /** `undefined` on the network, and unless the operator wants them asked for. */
  readonly credentials: PeerCredentials | undefined;
}

/** A token that was shown and accepted. */
export interface Admission {
  /** Its name. */
  readonly token: string;
  /** Whether it would not be accepted any more. */
  revoked(): boolean;
}

/** Somebody who says nothing of themselves. */
export const ANONYMOUS: Identity = { token: undefined, name: "", credentials: undefined };
