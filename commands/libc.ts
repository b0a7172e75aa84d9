/**
 * Calls of the C library for what Deno has no call for. They take the permission for foreign functions; without it, or on
 * a system whose library is not known here, there is none of them.
 *
 * @module
 */

const LIBRARIES: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`],
  darwin: ["libSystem.dylib"],
};

const SYMBOLS = {
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** @returns `undefined` if it may not be called or is not found. */
function openLibrary(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined {
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
  const library = openLibrary();
  if (library === undefined) return new Promise(() => {});
  // struct pollfd { int fd; short events; short revents; }: no events asked for, so only an error or hang-up ends it.
  const descriptor = new Uint8Array(8);
  descriptor[0] = 1;
  for (;;) {
    if (await library.poll(descriptor, 1n, -1) > 0) return;
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
  const library = openLibrary();
  if (library === undefined) return false;
  const bytes = new TextEncoder().encode(text);
  if (library.write(descriptor, bytes, BigInt(bytes.length)) !== BigInt(bytes.length)) return false;
  if (descriptor > 2) library.close(descriptor);
  return true;
}
