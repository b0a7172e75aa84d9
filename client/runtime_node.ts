/**
 * The library in Node.js. The build puts this file in the place of `runtime_deno.ts`.
 *
 * @module
 */
import { lstatSync } from "node:fs";
import { connect as connectNet, type Socket } from "node:net";
import process from "node:process";
import { connect as connectSecure, rootCertificates } from "node:tls";
import type { Connection, Refusal, Runtime } from "./runtime.ts";

/** See {@linkcode Runtime}. */
export const runtime: Runtime = {
  os: process.platform === "win32" ? "windows" : process.platform,
  pid: process.pid,
  user: () => ({ uid: process.getuid?.(), hint: "" }),
  variable: (name) => process.env[name] || undefined,

  lstat(path) {
    const stats = lstatSync(path), { dev, ino, uid } = stats;
    return {
      dev,
      ino,
      uid,
      isSocket: stats.isSocket(),
      isSymlink: stats.isSymbolicLink(),
      isDirectory: stats.isDirectory(),
      isFifo: stats.isFIFO(),
    };
  },

  connectUnix: (path) => opened(connectNet({ path }), "connect", undefined),

  connectTcp: (host, port, signal) => opened(connectNet({ host, port, noDelay: true }), "connect", signal),

  connectTls(host, port, ca, signal) {
    // Naming any takes the place of those that Node trusts.
    const trusted = ca.length === 0 ? {} : { ca: [...rootCertificates, ...ca] };
    const socket = connectSecure({ host, port, ...trusted });
    socket.setNoDelay(true);
    return opened(socket, "secureConnect", signal);
  },

  refusal: (error) => REFUSALS.get((error as { code?: string }).code ?? "") ?? "other",

  uncaught(error) {
    queueMicrotask(() => {
      throw error;
    });
  },
};

const REFUSALS: ReadonlyMap<string, Refusal> = new Map([
  ["ENOENT", "absent"],
  ["ENOTDIR", "absent"],
  ["ECONNREFUSED", "absent"],
  ["EAGAIN", "busy"],
  ["EACCES", "denied"],
  ["EPERM", "denied"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unknown authority"],
  ["UNABLE_TO_GET_ISSUER_CERT", "unknown authority"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unknown authority"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "unknown authority"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "unknown authority"],
  ["CERT_SIGNATURE_FAILURE", "unknown authority"],
  ["CERT_HAS_EXPIRED", "expired"],
  ["CERT_NOT_YET_VALID", "expired"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "wrong host"],
  ["CERT_UNTRUSTED", "bad certificate"],
  ["CERT_REJECTED", "bad certificate"],
  ["CERT_REVOKED", "bad certificate"],
  ["INVALID_PURPOSE", "bad certificate"],
]);

function opened(socket: Socket, event: string, signal: AbortSignal | undefined): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const abort = (): void => void socket.destroy(new Error("cancelled"));
    const failed = (error: Error): void => {
      signal?.removeEventListener("abort", abort);
      reject(error);
    };
    socket.once("error", failed);
    socket.once(event, () => {
      socket.off("error", failed);
      signal?.removeEventListener("abort", abort);
      resolve(new SocketConnection(socket));
    });
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
  });
}

/** What the system takes of one write before anything else is looked at. */
const WRITE_BYTES_MAX = 64 * 1024;

/**
 * Node tells when it is done with a write, but of one that fails not how much of it left. So what was begun counts as
 * gone: whoever sends it again on another connection would send it twice. To keep that little, long ones go in parts.
 */
class SocketConnection implements Connection {
  readonly #socket: Socket;
  /** What was read and not taken. */
  #rest: Uint8Array | null = null;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = (): void => this.#wake?.();
    socket.on("readable", wake).on("end", wake).on("close", wake).on("error", (error) => {
      this.#error = error;
      wake();
    });
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number | null> {
    for (;;) {
      const bytes: Uint8Array | null = this.#rest ?? this.#socket.read();
      if (bytes !== null) {
        const count = Math.min(bytes.length, into.length);
        into.set(bytes.subarray(0, count));
        this.#rest = count < bytes.length ? bytes.subarray(count) : null;
        return count;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#socket.readableEnded) return null;
      if (this.#socket.destroyed) throw closed();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    const socket = this.#socket;
    if (socket.destroyed || !socket.writable) return Promise.reject(this.#error ?? closed());
    const part = bytes.subarray(0, WRITE_BYTES_MAX);
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off("close", done);
        resolve(part.length);
      };
      socket.on("close", done);
      socket.write(part, done);
    });
  }

  close(): void {
    if (this.#socket.destroyed) throw closed();
    this.#socket.destroy();
  }
}

function closed(): Error {
  return new Error("the connection is closed");
}
