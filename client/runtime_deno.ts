/**
 * The library in Deno.
 *
 * @module
 */
import type { Connection, Refusal, Runtime } from "./runtime.ts";

/** See {@linkcode Runtime}. */
export const runtime: Runtime = {
  os: Deno.build.os,
  pid: Deno.pid,

  user() {
    try {
      return { uid: Deno.uid() ?? undefined, hint: "" };
    } catch {
      return { uid: undefined, hint: ". (Who this user is could not be found out: that takes --allow-sys=uid)" };
    }
  },

  /** A program that may not read the environment gets nothing instead of a question at its terminal. */
  variable(name) {
    if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return undefined;
    return Deno.env.get(name) || undefined;
  },

  lstat: (path) => Deno.lstatSync(path),

  connectUnix: (path) => Deno.connect({ transport: "unix", path }),

  connectTcp: (hostname, port, signal) => tcp(hostname, port, signal),

  async connectTls(hostname, port, ca, signal) {
    const conn = await Deno.startTls(await tcp(hostname, port, signal), { hostname, caCerts: [...ca] });
    const abort = (): void => conn.close();
    signal.addEventListener("abort", abort);
    try {
      if (signal.aborted) throw signal.reason;
      await conn.handshake();
      return conn as Connection;
    } catch (error) {
      if (!signal.aborted) conn.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  },

  refusal(error) {
    for (const [kind, refusal] of KINDS) if (error instanceof kind) return refusal;
    if (!(error instanceof Deno.errors.InvalidData)) return "other";
    for (const [words, refusal] of CERTIFICATE_ERRORS) if (words.test(error.message)) return refusal;
    return "other";
  },

  uncaught: (error) => reportError(error),
};

const KINDS: readonly (readonly [new (...args: never[]) => Error, Refusal])[] = [
  [Deno.errors.NotFound, "absent"],
  [Deno.errors.ConnectionRefused, "absent"],
  [Deno.errors.NotADirectory, "absent"],
  [Deno.errors.WouldBlock, "busy"],
  [Deno.errors.NotCapable, "not capable"],
  [Deno.errors.PermissionDenied, "denied"],
];

/** They have no codes. */
const CERTIFICATE_ERRORS: readonly (readonly [RegExp, Refusal])[] = [
  [/UnknownIssuer|CaUsedAsEndEntity/, "unknown authority"],
  [/Expired|NotValidYet|expired|not valid yet/, "expired"],
  [/NotValidForName|not valid for name/, "wrong host"],
  [/invalid peer certificate/, "bad certificate"],
];

async function tcp(hostname: string, port: number, signal: AbortSignal): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port, signal });
  conn.setNoDelay(true);
  return conn;
}
