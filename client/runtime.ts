/**
 * What the library needs of the program that runs it. There are two: `runtime_deno.ts`, and `runtime_node.ts`, which
 * the build puts in its place for the npm package. Everything else in client/ is the same in both.
 *
 * @module
 */

/** A stream of bytes both ways. */
export interface Connection {
  /** Resolves with how many bytes there were, at least one, or `null` at the end. */
  read(into: Uint8Array<ArrayBuffer>): Promise<number | null>;
  /**
   * Hands over what fits.
   *
   * @returns How many bytes the other side may have got by now.
   * @throws If the connection is broken: none of these bytes left.
   */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** @throws If it is closed already. */
  close(): void;
}

/** What is known of a path without following it. */
export interface SocketFile {
  readonly dev: number;
  readonly ino: number | null;
  readonly uid: number | null;
  readonly isSocket: boolean | null;
  readonly isSymlink: boolean;
  readonly isDirectory: boolean;
  readonly isFifo: boolean | null;
}

/**
 * Why the system did not do it: nothing is there, or nobody listens; the queue of those who wait is full; this user may
 * not; this program was not allowed to; the certificate is of an unknown authority, no longer or not yet valid, for
 * another host, or otherwise wrong.
 */
export type Refusal =
  | "absent"
  | "busy"
  | "denied"
  | "not capable"
  | "unknown authority"
  | "expired"
  | "wrong host"
  | "bad certificate"
  | "other";

/** See the module's head. */
export interface Runtime {
  /** As `Deno.build.os` says it. */
  readonly os: string;
  readonly pid: number;
  /** This user's id; with a hint for the error if it cannot be found out. */
  user(): { uid: number | undefined; hint: string };
  /** A variable of the environment; `undefined` if it is empty, or may not be read. */
  variable(name: string): string | undefined;
  lstat(path: string): SocketFile;
  connectUnix(path: string): Promise<Connection>;
  /** Without Nagle's algorithm. */
  connectTcp(hostname: string, port: number, signal: AbortSignal): Promise<Connection>;
  /** {@linkcode connectTcp}, with the handshake done. @param ca Certificates of authorities in PEM. */
  connectTls(hostname: string, port: number, ca: readonly string[], signal: AbortSignal): Promise<Connection>;
  /** Why one of the above failed. */
  refusal(error: unknown): Refusal;
  /** Reports an error as if nobody had caught it. */
  uncaught(error: unknown): void;
}
