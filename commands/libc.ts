/**
 * Calls of the C library for what Deno has no call for. They take the permission for foreign functions; without it, or on
 * a system whose library is not known here, there is none of them.
 *
 * @module
 */
import { BrokenPipe, type Output } from "./io.ts";

const LIBRARIES: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`],
  darwin: ["libSystem.dylib"],
};

const SYMBOLS = {
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
  /** The same in a thread of Deno's. */
  pollAside: { name: "poll", parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const STDOUT = 1;
/** Of poll(2). */
const POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLNVAL = 32;

/** What {@linkcode openLibrary} found: opening it a second time would cost a start another millisecond. */
let opened: { library: Library | undefined } | undefined;

/** @returns `undefined` if it may not be called or is not found. */
function libc(): Library | undefined {
  return (opened ??= { library: openLibrary() }).library;
}

function openLibrary(): Library | undefined {
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  for (const library of LIBRARIES[Deno.build.os] ?? []) {
    try {
      return Deno.dlopen(library, SYMBOLS).symbols;
    } catch { /* not this C library */ }
  }
  return undefined;
}

/**
 * Notices that the reader of standard output has gone while there is nothing to write: in `ipc listen x | head -1` the
 * listener should end with `head`, not with the event after that. poll(2) waits in a thread of Deno's.
 *
 * @returns Resolves when nobody can read what is written; never, if that cannot be found out.
 */
export async function stdoutClosed(): Promise<void> {
  const library = libc();
  if (library === undefined) return new Promise(() => {});
  // No events asked for, so only an error or hang-up ends it.
  const descriptor = pollDescriptor(STDOUT, 0);
  for (;;) {
    if (await library.pollAside(descriptor, 1n, -1) > 0) return;
    // Interrupted. Deno does not say by what, so go easy on the processor should it last.
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/**
 * Writes to a file descriptor that this process was started with, and closes it, so that its reader sees the end.
 *
 * @returns Whether that was possible.
 */
export function writeDescriptor(descriptor: number, text: string): boolean {
  const library = libc();
  if (library === undefined) return false;
  const bytes = new TextEncoder().encode(text);
  if (library.write(descriptor, bytes, BigInt(bytes.length)) !== BigInt(bytes.length)) return false;
  if (descriptor > 2) library.close(descriptor);
  return true;
}

/** `struct pollfd { int fd; short events; short revents; }`. */
function pollDescriptor(descriptor: number, events: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Int32Array([descriptor, events]).buffer);
}

/** How long to wait at a time for a descriptor to take more. */
const POLL_MS = 1_000;

/**
 * Standard output for a lot of data. `Deno.stdout` gathers what stands behind the last line feed, and where the
 * descriptor does not block (somebody that shares it may have made it so) it reports an error after having taken a part
 * that cannot be told from the rest. write(2) says how much it took.
 *
 * @param otherwise What to write to if there is no such call, and to learn what is wrong from.
 */
export function bulkOutput(otherwise: Output): Output {
  const library = libc();
  if (library === undefined) return otherwise;
  return {
    is_terminal: otherwise.is_terminal,
    write: (data) => writeAll(library, typeof data === "string" ? new TextEncoder().encode(data) : data, otherwise),
  };
}

function writeAll(library: Library, bytes: Uint8Array, otherwise: Output): void {
  let rest = bytes, failures = 0;
  while (rest.length > 0) {
    const taken = Number(library.write(STDOUT, rest as Uint8Array<ArrayBuffer>, BigInt(rest.length)));
    if (taken >= 0) {
      rest = rest.subarray(taken);
      failures = 0;
      continue;
    }
    const descriptor = pollDescriptor(STDOUT, POLLOUT);
    const ready = library.poll(descriptor, 1n, POLL_MS) > 0 ? descriptor[6]! : 0;
    if ((ready & (POLLERR | POLLHUP | POLLNVAL)) !== 0) throw new BrokenPipe("the reader of the output has gone");
    // It would take some now and yet took none: not for lack of room. Deno's own call says why.
    if ((ready & POLLOUT) !== 0 && ++failures > 1) return otherwise.write(rest);
  }
}
