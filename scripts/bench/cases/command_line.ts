/**
 * The command line, as shells use it.
 *
 * @module
 */
import { RUN_FLAGS } from "../../../commands/permissions.ts";
import type { Bench, Case, Contestant, Entry, Sample } from "../case.ts";
import { findProgram } from "../machine.ts";
import type { Broker } from "../peers/mod.ts";
import type { StartOptions, Workshop } from "../workshop.ts";

const CHANNEL = "bench";
/** After this a listener that was just started listens; one of mosquitto's has no way to say so. */
const SUBSCRIBED_MS = 500;
/** A listener gives up then. */
const DEADLINE_S = 120;

const SEND: Case = {
  name: "send",
  title: "start to end of `ipc send x hello`",
  section: "command line",
  metrics: [{ key: "wall_ms", title: "ms", better: "less" }],
  targets: [{ metric: "wall_ms", against: "deno empty.js", at_most: 1.3 }],
  times: 20,
  entries: senders,
};

const LINES: Case = {
  name: "lines",
  title: "`seq N | ipc send -l x` into `ipc listen x`",
  section: "command line",
  metrics: [{ key: "per_s", title: "lines/s", better: "more" }],
  targets: [{ metric: "per_s", against: "mosquitto", at_least: 20 }],
  entries: pipelines,
};

/** In the order of the table. */
export const COMMAND_LINE_CASES: readonly Case[] = [SEND, LINES];

async function senders(bench: Bench): Promise<Entry[]> {
  const { workshop, peers: { ipc, redis, mosquitto } } = bench;
  const empty = `${workshop.directory}/empty.js`;
  await Deno.writeTextFile(empty, "");
  const entries: Entry[] = [{
    name: "ipc",
    async open() {
      const broker = await ipc.start(workshop), program = ipc.command;
      await broker.open(CHANNEL);
      // Somebody listens, so that the message goes all the way and the channel stays open.
      const listener = workshop.start(program, { args: ["listen", CHANNEL], env: broker.env });
      const args = ["send", CHANNEL, "hello"], contestant = timed(workshop, program, { args, env: broker.env }, broker);
      return {
        run: () => contestant.run(),
        async [Symbol.asyncDispose]() {
          await listener.stop();
          await contestant[Symbol.asyncDispose]();
        },
      };
    },
  }, {
    name: "deno empty.js",
    open: () => Promise.resolve(timed(workshop, Deno.execPath(), { args: ["run", ...RUN_FLAGS, empty] })),
  }];
  const add = async (program: string, peer: typeof redis, args: (broker: Broker) => string[]) => {
    const path = await findProgram(program);
    if (path === undefined || peer === undefined) return;
    entries.push({
      name: program,
      async open() {
        const broker = await peer.start(workshop);
        return timed(workshop, path, { args: args(broker) }, broker);
      },
    });
  };
  await add("mosquitto_pub", mosquitto, (broker) => ["--unix", socketOf(broker), "-t", CHANNEL, "-m", "hello"]);
  await add("redis-cli", redis, (broker) => ["-s", socketOf(broker), "publish", CHANNEL, "hello"]);
  entries.push({ name: "true", open: () => Promise.resolve(timed(workshop, "true", {})) });
  return entries;
}

/** A process that is started and waited for; the first time does not count, as it fills caches. */
function timed(workshop: Workshop, program: string, options: StartOptions, broker?: Broker): Contestant {
  let warm = false;
  const run = async (): Promise<Sample> => {
    const started_ms = performance.now();
    await workshop.start(program, { ...options, stderr: "null" }).finish();
    return { wall_ms: performance.now() - started_ms };
  };
  return {
    async run() {
      if (!warm) await run();
      warm = true;
      return await run();
    },
    [Symbol.asyncDispose]: async () => void await broker?.[Symbol.asyncDispose](),
  };
}

function socketOf({ address }: Broker): string {
  return address!.replace(/^unix:/, "");
}

async function pipelines({ workshop, quick, peers: { ipc, mosquitto } }: Bench): Promise<Entry[]> {
  const count = (lines: number) => Math.round(quick ? lines / 100 : lines);
  const entries: Entry[] = [{
    name: "ipc",
    async open() {
      const broker = await ipc.start(workshop), program = ipc.command, lines = count(5_000_000);
      await broker.open(CHANNEL);
      const listen = `${program} listen ${CHANNEL} -n ${lines} -t ${DEADLINE_S}`,
        send = `${program} send -l ${CHANNEL}`;
      return pipeline({ workshop, broker, lines, listen, send, env: broker.env });
    },
  }];
  const publisher = await findProgram("mosquitto_pub"), subscriber = await findProgram("mosquitto_sub");
  if (mosquitto && publisher !== undefined && subscriber !== undefined) {
    entries.push({
      name: "mosquitto",
      async open() {
        const broker = await mosquitto.start(workshop), lines = count(200_000);
        const to = `--unix ${socketOf(broker)} -t ${CHANNEL}`;
        const listen = `${subscriber} ${to} -C ${lines} -W ${DEADLINE_S}`, send = `${publisher} ${to} -l`;
        return pipeline({ workshop, broker, lines, listen, send, env: {} });
      },
    });
  }
  return entries;
}

interface Pipeline {
  workshop: Workshop;
  broker: Broker;
  lines: number;
  /** Command lines: one that ends when it has printed all lines, and one that sends those that it reads. */
  listen: string;
  send: string;
  env: Record<string, string>;
}

/** Each run checks what was printed, byte by byte. */
function pipeline({ workshop, broker, lines, listen, send, env }: Pipeline): Contestant {
  const file = `${workshop.directory}/lines`;
  const shell = (line: string) => workshop.start("sh", { args: ["-c", line], env });
  return {
    async run() {
      const listener = shell(`exec ${listen} > ${file}`);
      await workshop.pause(SUBSCRIBED_MS);
      const started_ms = performance.now();
      const sender = shell(`seq ${lines} | ${send}`);
      await Promise.all([sender.finish(), listener.finish()]);
      const seconds = (performance.now() - started_ms) / 1000;
      await shell(`seq ${lines} | cmp - ${file} >&2`).finish();
      return { per_s: lines / seconds };
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}
