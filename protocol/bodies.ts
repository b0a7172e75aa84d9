/**
 * What stands in the payloads of the protocol's own frames: HELLO, WELCOME, ROLES, GAP, PRESENCE, errors and BYE. Encode
 * and decode of one body stand together. Unknown keys are ignored, so that newer programs can talk to older ones.
 *
 * @module
 */
import { ERROR_CODES, IpcError } from "./errors.ts";
import { CLIENT_NAME_BYTES_MAX } from "./limits.ts";
import { type Body, decodeBody, encodeBody, type Plain, type Value } from "./msgpack.ts";

/** What happens to a listener whose queue is full. */
export type Overflow = "block" | "disconnect" | "drop";

/** The values of {@linkcode Overflow}. */
export const OVERFLOWS: readonly Overflow[] = ["block", "disconnect", "drop"];

/** A place in a channel's sequence: everything up to `seq` of this `epoch` has been seen. */
export interface Position {
  /** Text that changes when the channel's sequence starts again. */
  epoch: string;
  /** Sequence number of the last event seen, 0 for none. */
  seq: number;
}

/** What a client wants to be on a channel. In ROLES, what is left out stays as it was. */
export interface Roles {
  /** Gets the channel's events. */
  listen?: boolean;
  /** Takes requests. */
  handle?: boolean;
  /** Is told who comes and goes. */
  presence?: boolean;
  /** For this listener instead of the channel's own policy; "drop" and "disconnect" where the channel says "block". */
  overflow?: Overflow;
}

/** A client's first frame. */
export interface Hello extends Roles {
  /** For people and rules; at most 64 bytes, no control characters. */
  name?: string;
  /** Process id, for people: the broker does not trust it. */
  pid?: number;
  /** Whether a sender that listens gets its own events; default true. */
  echo?: boolean;
  /** Secret that says who this is. */
  token?: string;
  /** Needed where one socket serves many channels. */
  channel?: string;
  /** SHA-256 of the contract that the client was built with. */
  schema?: string;
  /** Send what came after this first. */
  resume?: Position;
}

/** The broker's answer to HELLO. */
export interface Welcome {
  /** The client's id, never reused while the broker lives. */
  client: number;
  channel: string;
  /** Text, new each time the channel's sequence starts again. */
  epoch: string;
  /** Sequence number of the channel's latest event. */
  seq: number;
  /** Limit of a payload, in bytes. */
  max_message: number;
  server: { name: string; version: string };
  features: string[];
}

/** Sequence numbers `from` to `to`, both included, that a listener will not get. */
export interface Gap {
  from: number;
  to: number;
  /** "history": no longer kept; "overflow": this listener's queue was full. */
  reason: string;
}

/** Somebody came, went or changed roles. */
export interface Presence {
  event: "join" | "leave" | "roles";
  client: number;
  name: string;
  listen: boolean;
  handle: boolean;
  /** Why it left, if not by its own wish. */
  reason?: string;
}

export function encodeHello(hello: Hello): Uint8Array<ArrayBuffer> {
  return encodeBody(hello as { [key: string]: Plain });
}

/** @throws {IpcError} PROTOCOL if a key holds what it may not, SERIALIZATION if it is no msgpack map. */
export function decodeHello(payload: Uint8Array): Hello {
  const body = decodeBody(payload);
  const hello: Hello = decodeRolesFrom(body);
  const name = optional(body, "name", "string");
  if (name !== undefined) hello.name = checkClientName(name);
  const pid = optional(body, "pid", "number");
  if (pid !== undefined) hello.pid = pid;
  const echo = optional(body, "echo", "boolean");
  if (echo !== undefined) hello.echo = echo;
  for (const key of ["token", "channel", "schema"] as const) {
    const text = optional(body, key, "string");
    if (text !== undefined) hello[key] = text;
  }
  const resume = body.get("resume");
  if (resume !== undefined && resume !== null) {
    const position = decodePosition(resume);
    if (position === undefined) throw wrong("resume", "a map of epoch (text) and seq (number)");
    hello.resume = position;
  }
  return hello;
}

export function encodeWelcome(welcome: Welcome): Uint8Array<ArrayBuffer> {
  return encodeBody(welcome as unknown as { [key: string]: Plain });
}

/** @throws {IpcError} PROTOCOL if a key is missing or holds what it may not. */
export function decodeWelcome(payload: Uint8Array): Welcome {
  const body = decodeBody(payload);
  const server = body.get("server"), features = body.get("features");
  return {
    client: required(body, "client", "number"),
    channel: required(body, "channel", "string"),
    epoch: required(body, "epoch", "string"),
    seq: required(body, "seq", "number"),
    max_message: required(body, "max_message", "number"),
    server: server instanceof Map
      ? { name: required(server, "name", "string"), version: required(server, "version", "string") }
      : { name: "", version: "" },
    features: Array.isArray(features) ? features.filter((feature) => typeof feature === "string") : [],
  };
}

export function encodeRoles(roles: Roles): Uint8Array<ArrayBuffer> {
  return encodeBody(roles as { [key: string]: Plain });
}

/** @throws {IpcError} PROTOCOL if a key holds what it may not. */
export function decodeRoles(payload: Uint8Array): Roles {
  return decodeRolesFrom(decodeBody(payload));
}

/** The broker's ACK of ROLES says from where on events will come. */
export function encodePosition(position: Position): Uint8Array<ArrayBuffer> {
  return encodeBody(position as unknown as { [key: string]: Plain });
}

/** @returns `undefined` if it is not a position. */
export function decodePosition(value: Value | Uint8Array): Position | undefined {
  const body = value instanceof Uint8Array ? decodeBody(value) : value;
  if (!(body instanceof Map)) return undefined;
  const epoch = body.get("epoch"), seq = body.get("seq");
  if (typeof epoch !== "string" || typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) return undefined;
  return { epoch, seq };
}

export function encodeGap(gap: Gap): Uint8Array<ArrayBuffer> {
  return encodeBody(gap as unknown as { [key: string]: Plain });
}

export function decodeGap(payload: Uint8Array): Gap {
  const body = decodeBody(payload);
  return {
    from: required(body, "from", "number"),
    to: required(body, "to", "number"),
    reason: required(body, "reason", "string"),
  };
}

export function encodePresence(presence: Presence): Uint8Array<ArrayBuffer> {
  return encodeBody(presence as unknown as { [key: string]: Plain });
}

export function decodePresence(payload: Uint8Array): Presence {
  const body = decodeBody(payload);
  const event = required(body, "event", "string");
  if (event !== "join" && event !== "leave" && event !== "roles") throw wrong("event", '"join", "leave" or "roles"');
  const presence: Presence = {
    event,
    client: required(body, "client", "number"),
    name: required(body, "name", "string"),
    listen: required(body, "listen", "boolean"),
    handle: required(body, "handle", "boolean"),
  };
  const reason = optional(body, "reason", "string");
  if (reason !== undefined) presence.reason = reason;
  return presence;
}

/** The body of ERROR, of BYE and of a REPLY with flag ERROR. `data` is left out if a body cannot hold it. */
export function encodeError(error: IpcError): Uint8Array<ArrayBuffer> {
  const { code, message } = error;
  try {
    return encodeBody({ code, message, data: error.data as Plain });
  } catch {
    // A handler may attach what it likes, itself included; that must not cost the requester the error.
    return encodeBody({ code, message });
  }
}

/** Reads the body of ERROR, BYE or an error REPLY. One that cannot be read becomes a PROTOCOL error, not an exception. */
export function decodeError(payload: Uint8Array): IpcError {
  try {
    const body = decodeBody(payload);
    const said = optional(body, "code", "number") ?? 0;
    // Whoever sent it may have written any number, and it goes on into JSON and exit statuses.
    const code = Number.isSafeInteger(said) && said > 0 ? said : ERROR_CODES.PROTOCOL;
    return new IpcError(code, optional(body, "message", "string") ?? "", { data: plain(body.get("data")) });
  } catch (error) {
    return new IpcError("PROTOCOL", "the other side sent an error that cannot be read", { cause: error });
  }
}

/** Also those that end a line, or turn the direction in which it is shown: names are printed on terminals, in tables. */
// deno-lint-ignore no-control-regex -- they are what it looks for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** @throws {IpcError} PROTOCOL if it is over 64 bytes or holds control characters. */
export function checkClientName(name: string): string {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > CLIENT_NAME_BYTES_MAX) {
    throw new IpcError("PROTOCOL", `client name is ${bytes} bytes, limit is ${CLIENT_NAME_BYTES_MAX}`);
  }
  if (CONTROL_CHARACTER.test(name)) throw new IpcError("PROTOCOL", "client name holds control characters");
  return name;
}

function decodeRolesFrom(body: Body): Roles {
  const roles: Roles = {};
  for (const key of ["listen", "handle", "presence"] as const) {
    const value = optional(body, key, "boolean");
    if (value !== undefined) roles[key] = value;
  }
  const overflow = optional(body, "overflow", "string");
  if (overflow !== undefined) {
    if (!OVERFLOWS.includes(overflow as Overflow)) throw wrong("overflow", '"block", "disconnect" or "drop"');
    roles.overflow = overflow as Overflow;
  }
  return roles;
}

interface Types {
  string: string;
  number: number;
  boolean: boolean;
}

function optional<T extends keyof Types>(body: Body, key: string, type: T): Types[T] | undefined {
  const value = body.get(key);
  if (value === undefined || value === null) return undefined;
  const actual: string = typeof value;
  if (actual !== type) throw wrong(key, `a ${type}`);
  return value as Types[T];
}

function required<T extends keyof Types>(body: Body, key: string, type: T): Types[T] {
  const value = optional(body, key, type);
  if (value === undefined) throw wrong(key, `a ${type}`);
  return value;
}

function wrong(key: string, allowed: string): IpcError {
  return new IpcError("PROTOCOL", `"${key}" must be ${allowed}`);
}

/** A body's value as plain data. Keys that would touch a prototype cannot: the objects have none. */
function plain(value: Value | undefined): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of value) object[key] = plain(item);
  return object;
}
