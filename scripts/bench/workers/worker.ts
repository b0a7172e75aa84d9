/**
 * A process of the client libraries' cases: one of a pair that sends and receives, or asks and answers. All of this is the
 * same for every library; a library brings a {@link Client}.
 *
 * A worker is told by its arguments what it is and where the broker is. It writes `ready`, waits for a line on standard
 * input where it is the one that begins, and writes what it measured as a line of JSON.
 *
 * @module
 */
import { quantile } from "../statistics.ts";

/** What is asked of a library, in its own fastest way that its documentation shows. */
export interface Client {
  /** A promise is waited for, as the library asks for. */
  publish(data: Uint8Array): Promise<void> | void;
  /** Called after each {@link BATCH} messages: a library that has no other way to hold a sender up waits here. */
  pace(): Promise<void>;
  /** Resolves when the broker has everything. */
  flush(): Promise<void>;
  /** Resolves when the broker knows. */
  listen(callback: (data: Uint8Array) => void): Promise<void>;
  /** Answers each request by its own payload. */
  echo(): Promise<void>;
  invoke(data: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What a worker does. */
export type Role = "publisher" | "listener" | "handler" | "requester";

/** What a worker is told. */
export interface Task {
  role: Role;
  /** Where the broker is, in the library's own words. */
  address: string;
  /** Messages that count, or requests. */
  count: number;
  /** Messages before them, until everything is hot. */
  warmup: number;
  /** Requests at once. */
  at_once: number;
}

const SIZE = 128;
/** Messages between two calls of `pace`. */
const BATCH = 50_000;

/** Does what the arguments say. @param connect Connects to a broker. */
export async function work(connect: (address: string) => Promise<Client>): Promise<void> {
  const task = JSON.parse(Deno.args[0]!) as Task;
  const client = await connect(task.address);
  await ROLES[task.role](client, task);
  await client.close();
}

const ROLES: Record<Role, (client: Client, task: Task) => Promise<void>> = {
  async publisher(client, { count, warmup }) {
    const data = new Uint8Array(SIZE);
    say("ready");
    await told();
    for (let sent = 0; sent < count + warmup; sent++) {
      const wait = client.publish(data);
      if (wait !== undefined) await wait;
      if (sent % BATCH === BATCH - 1) await client.pace();
    }
    await client.flush();
    say("sent");
    await told();
  },

  async listener(client, { count, warmup }) {
    let received = 0, started_ms = 0;
    const { promise: all, resolve } = Promise.withResolvers<void>();
    await client.listen((data) => {
      if (data.byteLength !== SIZE) throw new Error(`a message of ${data.byteLength} bytes`);
      received++;
      if (received === warmup) started_ms = performance.now();
      if (received === warmup + count) resolve();
    });
    say("ready");
    await all;
    say(JSON.stringify({ per_s: count / (performance.now() - started_ms) * 1000 }));
  },

  async handler(client) {
    await client.echo();
    say("ready");
    await told();
  },

  async requester(client, { count, warmup, at_once }) {
    const data = new Uint8Array(SIZE);
    await ask(client, data, warmup, at_once);
    say("ready");
    await told();
    const started_ms = performance.now(), times_ms = await ask(client, data, count, at_once);
    const seconds = (performance.now() - started_ms) / 1000;
    times_ms.sort();
    const p50_us = quantile(times_ms, 0.5) * 1000, p99_us = quantile(times_ms, 0.99) * 1000;
    say(JSON.stringify({ p50_us, p99_us, per_s: count / seconds }));
  },
};

/** @returns How long each request took. */
async function ask(client: Client, data: Uint8Array, count: number, at_once: number): Promise<Float64Array> {
  const times_ms = new Float64Array(count);
  let next = 0;
  const one = async () => {
    while (next < count) {
      const index = next++, asked_ms = performance.now(), reply = await client.invoke(data);
      times_ms[index] = performance.now() - asked_ms;
      if (reply.byteLength !== SIZE) throw new Error(`a reply of ${reply.byteLength} bytes`);
    }
  };
  await Promise.all(Array.from({ length: at_once }, one));
  return times_ms;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Waits for a line, or the end. */
async function told(): Promise<void> {
  await Deno.stdin.read(new Uint8Array(64));
}
