/**
 * With which flags Deno runs the bundle. Each verb gets what it needs and no more: what cannot run a program or call
 * foreign functions cannot be made to.
 *
 * @module
 */
import type { Settings } from "../config/settings.ts";

/**
 * `--no-lazy` has V8 compile all functions of a file at once instead of each when it is first called. They then stand in
 * the code that Deno keeps from one start to the next, which makes each start 2 ms shorter.
 *
 * `--no-enable-lazy-source-positions` has it note there where each instruction stands in the source. Otherwise it compiles
 * every function on the stack a second time when the first error is made, and each start makes some, be it that there is
 * no configuration file: 0.9 ms.
 *
 * `--baseline-batch-compilation-threshold` (bytes) has it wait with machine code for functions that were called a few
 * times, until there is more to compile than a short command has: 0.4 ms. What a broker does all the time is compiled by
 * other, later compilers, as before.
 *
 * `--max-semi-space-size=2` (MiB) keeps V8 from setting aside tens of megabytes for short-lived objects. A broker makes few
 * of them per message: its CPU time under load is the same. `--optimize-for-size` would do so too, but costs a broker a fifth
 * more for a request or a single event.
 *
 * `--expose-gc` lets the broker collect what thousands of connections have left behind that came and went; see
 * `daemon/mod.ts`.
 *
 * `--invocation-count-for-maglev` (calls; V8 has 400) has its middle compiler wait for functions that are called often.
 * It compiled some 130 of which a thousand channels are made, in the background, and glibc kept the memory: a channel cost
 * 17 KiB, with this 11. What a message costs and how long a start takes is the same.
 *
 * All verbs run with all, because code that was kept with other flags is thrown away.
 */
export const V8_FLAGS = "--v8-flags=" + [
  "--no-lazy",
  "--no-enable-lazy-source-positions",
  "--baseline-batch-compilation-threshold=200000",
  "--max-semi-space-size=2",
  "--expose-gc",
  "--invocation-count-for-maglev=1200",
].join(",");

/**
 * Nothing is looked for beside the bundle: no configuration, no lock file, nothing to download. `--unstable-net` is for
 * datagrams to systemd.
 */
export const RUN_FLAGS: readonly string[] = [
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--unstable-net",
  V8_FLAGS,
];

/** Sockets and files, `IPC_*`, and whose sockets and files they are. */
const CLIENT_PERMISSIONS = ["--allow-read", "--allow-write", "--allow-net", "--allow-env", "--allow-sys"];

/** The broker runs no programs, and calls foreign functions only if it is to find out who connects. */
export function brokerPermissions({ peer_credentials }: Pick<Settings, "peer_credentials">): readonly string[] {
  return peer_credentials ? [...CLIENT_PERMISSIONS, "--allow-ffi"] : CLIENT_PERMISSIONS;
}

/**
 * What glibc is told before the broker starts: memory of 128 KiB and more comes from the system and goes back there at
 * once. Otherwise it raises that limit to 32 MiB by itself when the first large message is freed, and the smaller ones of
 * later leave holes: at a limit of 128 MiB for messages the process grew to 315 MiB, with this mostly to 205. With half a
 * megabyte it still held 90 MiB when messages of many sizes had passed 40 s before, with this 81. With 64 KiB it is 61,
 * but that is also the size of what small messages are gathered in, and a message of 100 KiB costs a third more CPU.
 */
export const BROKER_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_MMAP_THRESHOLD_: "131072" };

/** By verb; `undefined` for all others. */
export const VERB_PERMISSIONS: ReadonlyMap<string | undefined, readonly string[]> = new Map([
  // Commands, and a broker; for both, poll(2), to notice that nobody reads any more.
  ["listen", [...CLIENT_PERMISSIONS, "--allow-run", "--allow-ffi"]],
  ["monitor", [...CLIENT_PERMISSIONS, "--allow-ffi"]],
  ["handle", [...CLIENT_PERMISSIONS, "--allow-run"]],
  ["lock", [...CLIENT_PERMISSIONS, "--allow-run"]],
  ["semaphore", [...CLIENT_PERMISSIONS, "--allow-run"]],
  // A broker, if none runs; poll(2) as above.
  ["record", [...CLIENT_PERMISSIONS, "--allow-run", "--allow-ffi"]],
  ["barrier", [...CLIENT_PERMISSIONS, "--allow-run"]],
  ["mock", [...CLIENT_PERMISSIONS, "--allow-run"]],
  ["bench", [...CLIENT_PERMISSIONS, "--allow-run"]],
  // start, stop and restart. For run, the launcher asks which of brokerPermissions() the configuration calls for.
  ["daemon", [...CLIENT_PERMISSIONS, "--allow-run"]],
  // /proc/<pid>/limits, which Deno itself reads only for who may do everything.
  ["doctor", [...CLIENT_PERMISSIONS, "--allow-run=/bin/cat"]],
  // systemctl and systemd-sysusers.
  ["service", [...CLIENT_PERMISSIONS, "--allow-run"]],
  [undefined, CLIENT_PERMISSIONS],
]);
