/**
 * Client library against client library, each end in a process of its own, both under this Deno.
 *
 * @module
 */
import type { Bench, Case, Contestant, Metric, Sample, Target } from "../case.ts";
import type { Broker, Peer } from "../peers/mod.ts";
import type { Started } from "../workshop.ts";
import type { Role, Task } from "../workers/worker.ts";

interface LibraryCase {
  name: string;
  title: string;
  metrics: readonly Metric[];
  targets: readonly Target[];
  /** Who begins, and who has to be there before. */
  roles: readonly [begins: Role, waits: Role];
  task: Omit<Task, "role" | "address">;
}

/** A library and how it is told where its broker is. */
interface Library {
  peer: Peer;
  worker: string;
  address(broker: Broker): string;
}

const PER_S: Metric = { key: "per_s", title: "messages/s", better: "more" };
const P50: Metric = { key: "p50_us", title: "p50, µs", better: "less" };
const P99: Metric = { key: "p99_us", title: "p99, µs", better: "less" };

const CASES: readonly LibraryCase[] = [
  {
    name: "library-events",
    title: "broadcast to listen, 128 B bytes, two processes",
    metrics: [PER_S],
    targets: [{ metric: "per_s", against: "nats", at_least: 2 }],
    roles: ["publisher", "listener"],
    task: { count: 1_000_000, warmup: 200_000, at_once: 1 },
  },
  {
    name: "library-invoke",
    title: "invoke, one 128 B request at a time, two processes",
    metrics: [P50, P99],
    targets: [{ metric: "p50_us", against: "nats", at_most: 0.6 }],
    roles: ["requester", "handler"],
    task: { count: 10_000, warmup: 5_000, at_once: 1 },
  },
  {
    name: "library-invoke-64",
    title: "invoke, 64 requests of 128 B at once, two processes",
    metrics: [{ ...PER_S, title: "requests/s" }],
    targets: [{ metric: "per_s", against: "nats", at_least: 2 }],
    roles: ["requester", "handler"],
    task: { count: 50_000, warmup: 20_000, at_once: 64 },
  },
];

/** In the order of the table. */
export const LIBRARY_CASES: readonly Case[] = CASES.map((one): Case => ({
  ...one,
  section: "client libraries",
  entries: (bench) =>
    libraries(bench).map((library) => ({ name: library.peer.name, open: () => open(one, library, bench) })),
}));

function libraries({ peers: { ipc, nats } }: Bench): Library[] {
  const all: Library[] = [{
    peer: ipc,
    worker: "ipc.ts",
    address: (broker) => (broker as Awaited<ReturnType<typeof ipc.start>>).socket_dir,
  }];
  if (nats) all.push({ peer: nats, worker: "nats.ts", address: ({ address }) => address!.replace(/^tcp:/, "") });
  return all;
}

async function open({ roles, task }: LibraryCase, library: Library, bench: Bench): Promise<Contestant> {
  const broker = await library.peer.start(bench.workshop);
  const share = bench.quick ? 0.02 : 1;
  const scaled = { ...task, count: task.count * share, warmup: task.warmup * share };
  return {
    run: () => run(bench, library, roles, { ...scaled, address: library.address(broker) }),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

/** New processes each time, since what a process is compiled to differs from one to the next. */
async function run(
  { workshop }: Bench,
  { worker }: Library,
  [begins, waits]: readonly [Role, Role],
  task: Omit<Task, "role">,
): Promise<Sample> {
  const start = async (role: Role): Promise<Started> => {
    const file = new URL(`../workers/${worker}`, import.meta.url).pathname;
    const args = ["run", "--quiet", "-A", file, JSON.stringify({ ...task, role })];
    const started = workshop.start(Deno.execPath(), { args, stdin: "piped", stdout: "piped" });
    const line = await started.line();
    if (line !== "ready") throw new Error(`${worker} said ${line}`);
    return started;
  };
  await using other = await start(waits);
  await using first = await start(begins);
  await first.tell("go");
  const measured = await (begins === "publisher" ? other : first).line();
  return JSON.parse(measured) as Sample;
}
