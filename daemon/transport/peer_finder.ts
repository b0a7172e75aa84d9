/**
 * Finds out who connected to a Unix socket: `SO_PEERCRED` and `SO_PEERGROUPS`, as of the moment of connect(2).
 *
 * The kernel answers for a file descriptor, and Deno does not say which one a connection has. It can be found, though:
 * getsockname(2) says of an accepted socket at which path it was accepted, SO_COOKIE gives each socket of the system a
 * number that is never given again, and a listener accepts one connection at a time. So when its accept() has resolved,
 * exactly one descriptor of this process was accepted at its path and has a cookie that was not seen before: the new
 * connection's. Were there none, nothing would be said of it; whoever asked refuses it then. For two to be there, two
 * listeners would have to accept at one path: {@linkcode PeerFinder.watch} takes each path once. Descriptors that others
 * send along with their bytes (SCM_RIGHTS) never come to be, since Deno does not ask for them.
 *
 * The kernel gives the lowest number that is free, so the numbers that are no living connection's are tried from below,
 * and the first or second is it: what it costs does not grow with the connections. What is remembered of a number only
 * says where to look first. Is nothing found, all that are open are looked at.
 *
 * A kernel that cannot say in which groups somebody is (before Linux 4.13) says too little: a rule may deny one of them.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import type { PeerCredentials } from "../identity.ts";

/** glibc's name, and musl's. */
const LIBRARIES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

const SYMBOLS = {
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
} as const;

/** Of socket(7), on the processors that Deno runs on. */
const SOL_SOCKET = 1, SO_PEERCRED = 17, SO_ACCEPTCONN = 30, SO_COOKIE = 57, SO_PEERGROUPS = 59, AF_UNIX = 1;
/** Of poll(2). */
const POLLNVAL = 32, POLLFD_BYTES = 8;
/** `struct sockaddr_un`: the family, and 108 bytes of path. */
const ADDRESS_BYTES = 110;

/** As many groups as most users have. */
const GROUPS = 64;
/** Of so many users the groups are remembered, so that their connections share them. */
const USERS_MAX = 1_000;

/** What is remembered of a descriptor's number. */
const UNKNOWN = 0, CONNECTION = 1, OTHER = 2;
/** How far above the highest number known a new one is looked for at first. */
const MARGIN = 32;
/** How many numbers are asked for at a time whether they are open. */
const POLLED = 1_024;

const text = new TextEncoder();
/** Paths that are watched, in this process. */
const watched = new Set<string>();

/** Says of one listener's connections who they are. */
export interface PeerWatch {
  /**
   * Who has just connected. To be called once after each accept(), before anything else happens.
   *
   * @returns `undefined` if it cannot be told with certainty.
   */
  next(): PeerCredentials | undefined;
  /** Nothing is accepted at the path any more. */
  end(): void;
}

/** See the module's head. */
export class PeerFinder {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;
  /** By descriptor, that of the last connection that was found to have it. */
  readonly #cookies = new Map<number, bigint>();
  readonly #seen = new Set<bigint>();
  readonly #living = new Map<PeerCredentials, number>();
  #states = new Uint8Array(POLLED);
  /** No number below this one is {@linkcode UNKNOWN}. */
  #from = 0;
  /** All numbers known are below this one. */
  #end = 0;

  readonly #cookie = new BigUint64Array(1);
  readonly #flag = new Uint32Array(1);
  readonly #credentials = new Int32Array(3);
  #groups = new Uint32Array(GROUPS);
  /** Those of each user that were found last. */
  readonly #groups_of = new Map<number, readonly number[]>();
  readonly #address = new Uint8Array(ADDRESS_BYTES);
  readonly #length = new Uint32Array(1);
  readonly #polled = new Uint8Array(POLLED * POLLFD_BYTES);

  /**
   * Opens the C library.
   *
   * @throws {IpcError} FORBIDDEN if that cannot be done, with what is missing.
   */
  constructor() {
    this.#library = openLibrary();
  }

  /**
   * Watches a path at which connections are about to be accepted.
   *
   * @param path As the listener says it (`addr.path`).
   * @throws {IpcError} CHANNEL_RECV if it is watched already: its connections could not be told apart.
   */
  watch(path: string): PeerWatch {
    if (watched.has(path)) {
      throw new IpcError("CHANNEL_RECV", `Cannot tell who connects to "${path}": another listener accepts there`);
    }
    watched.add(path);
    const bytes = text.encode(path);
    return { next: () => this.#find(bytes), end: () => void watched.delete(path) };
  }

  /** Somebody's connection was closed, so its number can become another's. To be called for speed; nothing rests on it. */
  gone(credentials: PeerCredentials): void {
    const descriptor = this.#living.get(credentials);
    if (descriptor === undefined) return;
    this.#living.delete(credentials);
    // If it was taken over meanwhile, it is the new one's.
    if (this.#states[descriptor] === CONNECTION) this.#forget(descriptor);
  }

  /**
   * Who is at the other end of a connection whose descriptor is known, as that of `node:net` is.
   *
   * @returns `undefined` if it is no connection of a Unix socket.
   */
  of(descriptor: number): PeerCredentials | undefined {
    const listens = !this.#option(descriptor, SO_ACCEPTCONN, this.#flag) || this.#flag[0] !== 0;
    const credentials = listens || !this.#isUnix(descriptor) ? undefined : this.#credentialsOf(descriptor);
    if (credentials === undefined) return undefined;
    this.#reach(descriptor + 1);
    this.#set(descriptor, CONNECTION);
    this.#living.set(credentials, descriptor);
    return credentials;
  }

  /** Lets go of the library. */
  close(): void {
    this.#library.close();
  }

  #find(path: Uint8Array): PeerCredentials | undefined {
    return this.#likely(path) ?? this.#among(this.#others(), path) ?? this.#among(this.#open(), path);
  }

  /** Looks at numbers that may be a new connection's, from below. */
  #likely(path: Uint8Array): PeerCredentials | undefined {
    const end = this.#end + MARGIN;
    this.#reach(end);
    while (this.#from < end && this.#states[this.#from] !== UNKNOWN) this.#from++;
    for (let descriptor = this.#from; descriptor < end; descriptor++) {
      if (this.#states[descriptor] !== UNKNOWN) continue;
      const found = this.#look(descriptor, path);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #among(descriptors: Iterable<number>, path: Uint8Array): PeerCredentials | undefined {
    for (const descriptor of descriptors) {
      this.#reach(descriptor + 1);
      // What was a living connection's number and is not any more is noticed by its cookie.
      if (this.#states[descriptor] === OTHER) this.#forget(descriptor);
      const found = this.#look(descriptor, path);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Numbers that something else had when they were looked at. */
  *#others(): Generator<number> {
    for (let descriptor = 0; descriptor < this.#end; descriptor++) {
      if (this.#states[descriptor] === OTHER) yield descriptor;
    }
  }

  /** All numbers that are open. */
  *#open(): Generator<number> {
    const { poll } = this.#library.symbols, view = new DataView(this.#polled.buffer);
    for (let first = 0, any = true; any; first += POLLED) {
      for (let at = 0; at < POLLED; at++) {
        view.setInt32(at * POLLFD_BYTES, first + at, true);
        view.setInt32(at * POLLFD_BYTES + 4, 0, true);
      }
      poll(this.#polled, BigInt(POLLED), 0);
      const open: number[] = [];
      for (let at = 0; at < POLLED; at++) {
        if ((view.getUint16(at * POLLFD_BYTES + 6, true) & POLLNVAL) === 0) open.push(first + at);
      }
      any = open.length > 0;
      yield* open;
    }
  }

  /** Looks at one descriptor. @returns Whose it is, if it is a connection that was accepted at the path and not seen yet. */
  #look(descriptor: number, path: Uint8Array): PeerCredentials | undefined {
    if (!this.#option(descriptor, SO_COOKIE, this.#cookie)) {
      if (this.#isOpen(descriptor)) this.#set(descriptor, OTHER);
      return undefined;
    }
    const cookie = this.#cookie[0]!;
    if (this.#seen.has(cookie)) return undefined;
    if (!this.#option(descriptor, SO_ACCEPTCONN, this.#flag) || this.#flag[0] !== 0) {
      this.#set(descriptor, OTHER);
      return undefined;
    }
    const named = this.#name(descriptor);
    if (named === undefined) this.#set(descriptor, OTHER);
    // Another listener's, that will ask for it at once.
    if (named === undefined || !same(named, path)) return undefined;
    return this.#take(descriptor, cookie);
  }

  #take(descriptor: number, cookie: bigint): PeerCredentials | undefined {
    const credentials = this.#credentialsOf(descriptor);
    if (credentials === undefined) return undefined;
    const before = this.#cookies.get(descriptor);
    if (before !== undefined) this.#seen.delete(before);
    this.#cookies.set(descriptor, cookie);
    this.#seen.add(cookie);
    this.#set(descriptor, CONNECTION);
    this.#living.set(credentials, descriptor);
    return credentials;
  }

  #credentialsOf(descriptor: number): PeerCredentials | undefined {
    if (!this.#option(descriptor, SO_PEERCRED, this.#credentials)) return undefined;
    const pid = this.#credentials[0]!, uid = this.#credentials[1]! >>> 0, gid = this.#credentials[2]! >>> 0;
    const groups = this.#groupsOf(descriptor, uid);
    return groups === undefined ? undefined : { pid, uid, gid, groups };
  }

  #groupsOf(descriptor: number, uid: number): readonly number[] | undefined {
    const { getsockopt } = this.#library.symbols, each = Uint32Array.BYTES_PER_ELEMENT;
    this.#length[0] = this.#groups.byteLength;
    while (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, this.#groups, this.#length) !== 0) {
      // If they are too many it has said how many they are.
      if (this.#length[0] <= this.#groups.byteLength) return undefined;
      this.#groups = new Uint32Array(this.#length[0] / each);
    }
    const found = this.#groups.subarray(0, this.#length[0] / each), known = this.#groups_of.get(uid);
    if (known?.length === found.length && found.every((group, at) => group === known[at])) return known;
    const groups = [...found];
    if (this.#groups_of.size >= USERS_MAX) this.#groups_of.clear();
    this.#groups_of.set(uid, groups);
    return groups;
  }

  #isUnix(descriptor: number): boolean {
    this.#length[0] = ADDRESS_BYTES;
    if (this.#library.symbols.getsockname(descriptor, this.#address, this.#length) !== 0) return false;
    return (this.#address[0]! | this.#address[1]! << 8) === AF_UNIX;
  }

  #option(descriptor: number, option: number, into: BigUint64Array | Uint32Array | Int32Array): boolean {
    this.#length[0] = into.byteLength;
    const { getsockopt } = this.#library.symbols;
    return getsockopt(descriptor, SOL_SOCKET, option, into as BufferSource, this.#length) === 0 &&
      this.#length[0] === into.byteLength;
  }

  /** The path of a Unix socket; `undefined` if it has none, or is another kind of socket. */
  #name(descriptor: number): Uint8Array | undefined {
    const address = this.#address;
    if (!this.#isUnix(descriptor) || this.#length[0]! <= 2 || address[2] === 0) return undefined;
    const whole = address.subarray(2, Math.min(this.#length[0]!, ADDRESS_BYTES)), end = whole.indexOf(0);
    return end < 0 ? whole : whole.subarray(0, end);
  }

  #isOpen(descriptor: number): boolean {
    const view = new DataView(this.#polled.buffer);
    view.setInt32(0, descriptor, true);
    view.setInt32(4, 0, true);
    this.#library.symbols.poll(this.#polled, 1n, 0);
    return (view.getUint16(6, true) & POLLNVAL) === 0;
  }

  #set(descriptor: number, state: number): void {
    this.#states[descriptor] = state;
    this.#end = Math.max(this.#end, descriptor + 1);
  }

  #forget(descriptor: number): void {
    this.#states[descriptor] = UNKNOWN;
    this.#from = Math.min(this.#from, descriptor);
  }

  #reach(end: number): void {
    if (end <= this.#states.length) return;
    const longer = new Uint8Array(Math.max(end, 2 * this.#states.length));
    longer.set(this.#states);
    this.#states = longer;
  }
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

function openLibrary(): Deno.DynamicLibrary<typeof SYMBOLS> {
  const reasons: string[] = [];
  for (const library of LIBRARIES) {
    try {
      return Deno.dlopen(library, SYMBOLS);
    } catch (error) {
      reasons.push((error as Error).message.split("\n")[0]!);
    }
  }
  throw new IpcError(
    "FORBIDDEN",
    `Cannot ask who connects (peer_credentials): ${
      reasons[0]
    }. The broker's process needs --allow-ffi for it, and Linux`,
  );
}
