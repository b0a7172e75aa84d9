/**
 * Notices that the reader of standard output has gone while there is nothing to write: in `ipc listen x | head -1` the
 * listener should end with `head`, not with the event after that. Deno has no call for it, so this asks poll(2), in a
 * thread that Deno gives to the call. Without the permission for foreign functions, or on a system where it is not
 * known how, the listener ends when it next writes.
 *
 * @module
 */

const LIBRARIES: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`],
  darwin: ["libSystem.dylib"],
};

/** Resolves when nobody can read what is written to standard output; never, if that cannot be found out. */
export async function stdoutClosed(): Promise<void> {
  const poll = await openPoll();
  if (poll === undefined) return new Promise(() => {});
  // struct pollfd { int fd; short events; short revents; }: no events asked for, so only an error or hang-up ends it.
  const descriptor = new Uint8Array(8);
  descriptor[0] = 1;
  for (;;) {
    if (await poll(descriptor, 1n, -1) > 0) return;
    // Interrupted. Deno does not say by what, so go easy on the processor should it last.
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

type Poll = (descriptors: Uint8Array<ArrayBuffer>, count: bigint, timeout_ms: number) => Promise<number>;

async function openPoll(): Promise<Poll | undefined> {
  const allowed = await Deno.permissions.query({ name: "ffi" });
  if (allowed.state !== "granted") return undefined;
  for (const library of LIBRARIES[Deno.build.os] ?? []) {
    try {
      return Deno.dlopen(library, {
        poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
      }).symbols.poll;
    } catch { /* not this C library */ }
  }
  return undefined;
}
