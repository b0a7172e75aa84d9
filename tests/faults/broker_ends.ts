/**
 * What is done to the broker itself: it is killed, stopped, ended, replaced. Each is done a few times by a quick test and many
 * times by `deno task faults`; canaries sing throughout.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect, control } from "../../client/mod.ts";
import { LineClient } from "../../daemon/dialects/testing.ts";
import { encodeFrame, encodeHello, FRAME_TYPES, PREFACE } from "../../protocol/mod.ts";
import type { ListenerReport, PublisherReport } from "../e2e/accounts.ts";
import { type BrokerProcess, Sandbox, type Worker } from "../e2e/harness.ts";
import { eventually, pause, within } from "../e2e/wait.ts";
import { type Canaries, type CanaryReport, startCanaries } from "./canaries.ts";
import { figure } from "./figures.ts";
import { SlowListener } from "./slow_listener.ts";

/** How long a broker that is told to end may take. */
export const END_MS_MAX = 10_000;

/** What came of it. */
export interface Outcome {
  canaries: CanaryReport;
  /** What else was measured: what, how much, and what it had to be. */
  also: [what: string, measured: string, required: string][];
}

/** Adds it to the figures. */
export function tell(proof: number, what: string, { canaries, also }: Outcome, required: string): void {
  figure(proof, what, `${canaries}`, required);
  for (const [more, measured, required] of also) figure(proof, `${what}: ${more}`, measured, required);
}

/**
 * Kills the broker again and again, without regard to who has come back since the last time, and every now and then a client,
 * each of which is replaced. Nobody is told to connect again.
 *
 * So that there is something to miss, the listeners are stopped before every other time: what the broker has accepted for
 * them dies with it. Every fourth time they stay so until the next one has accepted more than its history holds.
 */
export async function killed(times: number): Promise<Outcome> {
  await using sandbox = new Sandbox();
  Deno.writeTextFileSync(sandbox.config_file, 'history = "32KiB"\n');
  let broker = await sandbox.broker();
  await using canaries = await singing(sandbox);
  const observer = sandbox.worker("listener", { channel: "crowd" });
  await observer.tells("ready");
  const crowd: Worker[] = [];
  let numbers = 0, clients = 0, longest_ms = 0;
  const join = (): void => {
    const publisher = ++numbers;
    const worker = publisher % 2 === 0
      ? sandbox.worker("listener", { channel: "crowd" })
      : sandbox.worker("publisher", { channel: "crowd", publisher, bytes: 200, flush_every: 20, rest_ms: 1 });
    crowd.push(worker);
    // One that finds no broker just then ends; others will come.
    worker.tells("ready").then(() => publisher % 2 === 0 ? undefined : worker.write("go")).catch(() => {});
  };
  for (let n = 0; n < 4; n++) join();
  for (let n = 0; n < times; n++) {
    await pause(Math.random() * 600);
    if (n % 2 === 0) {
      const [victim] = crowd.splice(Math.floor(Math.random() * crowd.length), 1);
      victim!.signal("SIGKILL");
      clients++;
    }
    if (n % 2 === 1) {
      // Those who are stopped before they are back miss what they never subscribed to; nothing would wait for them.
      await eventually(
        async () => (await canaryChannels(sandbox)).some(({ listeners }) => listeners > 0),
        "no listener comes back",
      );
      canaries.listeners.signal("SIGSTOP");
      // Until the kernel takes no more for some of them.
      await eventually(async () => (await stats(sandbox)).queued_bytes > 50_000, "nothing waits in the broker");
    }
    await broker.kill();
    if (n % 4 === 1) canaries.listeners.signal("SIGCONT");
    else if (Math.random() < 0.3) await pause(Math.random() * 500);
    const begin_ms = performance.now();
    broker = await sandbox.broker();
    if (n % 4 === 3) {
      // Until the history of some has lost its beginning.
      await eventually(
        async () => (await canaryChannels(sandbox)).some(({ events }) => events > 64),
        "no history is full",
      );
      canaries.listeners.signal("SIGCONT");
    }
    if (n % 2 === 0) join();
    // Now and then everybody gets the time to come back.
    if (n % 5 !== 4 && n !== times - 1) continue;
    await back(canaries);
    longest_ms = Math.max(longest_ms, performance.now() - begin_ms);
  }
  const report = await canaries.stop();
  report.assertAccounted();
  const gaps = report.pairs.flatMap(({ gaps }) => gaps), reasons = new Set(gaps.map(({ reason }) => reason));
  assert.deepEqual([...reasons].sort(), ["history", "restart"]);
  const told = gaps.reduce((sum, { from, to }) => to === null ? sum : sum + to - from + 1, 0);
  assert(report.sum("missed") > told, "nothing died with a broker");
  const last = await eventually(async () => {
    const report = await observer.ask("report") as ListenerReport;
    return report.epoch === (await epochOf(sandbox, "crowd")) && report;
  }, "the observer does not come back");
  const { jumps, disordered, others } = last;
  assert.deepEqual({ jumps, disordered, others }, { jumps: 0, disordered: 0, others: 0 });
  return {
    canaries: report,
    also: [
      ["gaps told", `${gaps.length}, ${told} events of which the number is known`, "exact"],
      ["everybody is back", `${Math.round(longest_ms)} ms after the kill`, "-"],
    ],
  };
}

/**
 * Kills clients at random under load; the broker stays. What a publisher had sent when it was killed arrives as far as it came:
 * from its first event on, each once and in order, and nothing that was confirmed to it is missing.
 */
export async function clientsKilled(times: number): Promise<Outcome> {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  await using canaries = await singing(sandbox);
  const observer = sandbox.worker("listener", { channel: "crowd" });
  await observer.tells("ready");
  const confirmed = new Map<number, number>(), publishers = new Map<number, Worker>(), listeners: Worker[] = [];
  let number = 0;
  for (let n = 0; n < times + 2; n++) {
    const publisher = ++number, listener = sandbox.worker("listener", { channel: "crowd" });
    const worker = sandbox.worker("publisher", {
      channel: "crowd",
      publisher,
      bytes: 200,
      flush_every: 50,
      rest_ms: 1,
    });
    await Promise.all([listener, worker].map((each) => each.tells("ready")));
    await worker.write("go");
    publishers.set(publisher, worker);
    listeners.push(listener);
    await pause(Math.random() * 100);
    if (publishers.size <= 2) continue;
    const victim = [...publishers.keys()][Math.floor(Math.random() * publishers.size)]!;
    confirmed.set(victim, ((await publishers.get(victim)!.ask("report")) as PublisherReport).confirmed);
    await publishers.get(victim)!.kill();
    publishers.delete(victim);
    await listeners.splice(Math.floor(Math.random() * listeners.length), 1)[0]!.kill();
  }
  for (const [publisher, worker] of publishers) {
    await worker.write("stop");
    confirmed.set(publisher, (await worker.tells("done") as PublisherReport).confirmed);
  }
  const report = await eventually(async () => {
    const report = await observer.ask("report") as ListenerReport;
    return [...confirmed].every(([publisher, upto]) => (report.publishers[publisher]?.last ?? 0) >= upto) && report;
  }, "what was confirmed does not arrive");
  const { jumps, disordered, missed, restarts } = report;
  assert.deepEqual({ jumps, disordered, missed, restarts }, { jumps: 0, disordered: 0, missed: 0, restarts: 0 });
  for (const { skipped } of Object.values(report.publishers)) assert.deepEqual(skipped, []);
  const last = await canaries.stop();
  last.assertFaultless();
  return { canaries: last, also: [] };
}

/**
 * Stops the broker for a while, and lets everything happen meanwhile that it is not to hold against anybody: a listener that
 * publishers waited for reads at last, a handler answers, somebody says HELLO.
 *
 * @param ms Longer than any of them had.
 */
export async function stopped(ms: number): Promise<Outcome> {
  await using sandbox = new Sandbox();
  Deno.writeTextFileSync(sandbox.config_file, '[channels.held]\nqueue = "64KiB"\nstall_timeout = "2s"\n');
  const broker = await sandbox.broker(), { socket_dir } = sandbox;
  await using canaries = await singing(sandbox);
  await using answering = await connect("asked", { socket_dir });
  const answer = Promise.withResolvers<string>(), asked = Promise.withResolvers<void>();
  answering.handle(() => {
    asked.resolve();
    return answer.promise;
  });
  await answering.flush();
  // Not by the library, which looks at the clock itself.
  using asking = new LineClient(await Deno.connect({ transport: "unix", path: sandbox.socket("asked") }));
  await asking.hello();
  await asking.say({ type: "request", id: 1, data: "how are you", timeout_ms: ms / 2 });
  await asked.promise;
  using listener = await SlowListener.connect(sandbox.socket("held"), "binary");
  await using publisher = await connect("held", { socket_dir });
  using stranger = await Deno.connect({ transport: "unix", path: sandbox.socket("held") });
  await stranger.write(PREFACE);
  const events = 1_000,
    sent = (async () => {
      for (let n = 1; n <= events; n++) await publisher.broadcast(n < events ? `${n} ${"x".repeat(1_000)}` : `${n}`);
      await publisher.flush();
    })();
  await eventually(async () => await waiting(sandbox, "held") > 0, "the publisher does not wait");

  broker.signal("SIGSTOP");
  answer.resolve("well");
  await stranger.write(encodeFrame({ type: FRAME_TYPES.HELLO, payload: encodeHello({ name: "late" }) }));
  const told = listener.until(String(events)), greeted = stranger.read(new Uint8Array(4096));
  // If something else fails, that is what is to be seen.
  for (const promise of [told, greeted, sent]) promise.catch(() => {});
  await pause(ms);
  broker.signal("SIGCONT");

  assert.equal((await asking.json())["data"], "well");
  assert((await within(greeted, "HELLO is not answered"))! > 0);
  await within(sent, "the publisher still waits");
  const heard = await told;
  assert.deepEqual(heard.map((each) => "event" in each ? each.event.split(" ")[0] : each), numbersTo(events));
  const report = await canaries.stop();
  report.assertFaultless();
  assert(broker.running);
  return { canaries: report, also: [] };
}

/**
 * Tells the broker to end under load, again and again, and starts the next one at once. What it had accepted is delivered.
 *
 * @param hindered Whether somebody is there who never reads, one who never answers, and one who waits for an answer.
 */
export async function ended(times: number, hindered: boolean): Promise<Outcome> {
  await using sandbox = new Sandbox();
  let broker = await sandbox.broker(), longest_ms = 0;
  await using canaries = await singing(sandbox);
  const loads = [1, 2].map((publisher) =>
    sandbox.worker("publisher", { channel: "load", publisher, bytes: 200, flush_every: 1_000 })
  );
  const observer = sandbox.worker("listener", { channel: "load" });
  await Promise.all([...loads, observer].map((worker) => worker.tells("ready")));
  await Promise.all(loads.map((load) => load.write("go")));
  for (let n = 0; n < times; n++) {
    await using hindrance = new AsyncDisposableStack();
    if (hindered) await hinder(sandbox, hindrance);
    const begin_ms = performance.now();
    broker.signal("SIGTERM");
    const next = sandbox.broker();
    assert.equal(await broker.exit(END_MS_MAX), 0);
    longest_ms = Math.max(longest_ms, performance.now() - begin_ms);
    broker = await next;
    await back(canaries);
  }
  const report = await canaries.stop();
  report.assertAccounted();
  assert.equal(report.sum("missed"), 0, `${report}`);
  const { jumps, disordered } = await observer.ask("report") as ListenerReport;
  assert.deepEqual({ jumps, disordered }, { jumps: 0, disordered: 0 });
  return { canaries: report, also: [["it ends within", `${Math.round(longest_ms)} ms`, `<= ${END_MS_MAX} ms`]] };
}

/** Starts the next broker while the last one is still ending, again and again. The sockets that are there then are the next one's. */
export async function replaced(times: number): Promise<Outcome> {
  await using sandbox = new Sandbox();
  const names = Array.from({ length: 10 }, (_, n) => `canary-${n}`), { socket_dir } = sandbox;
  Deno.writeTextFileSync(sandbox.config_file, names.map((name) => `[channels.${name}]\n`).join(""));
  let broker = await sandbox.broker(), longest_ms = 0;
  await using canaries = await singing(sandbox);
  for (let n = 0; n < times; n++) {
    const begin_ms = performance.now();
    let next: BrokerProcess;
    // It takes a new one a tenth of a second and more to ask for the lock; it waits longer than that for the last one to begin
    // to end.
    if (n % 2 === 0) {
      next = sandbox.tryBroker();
      await pause(Math.random() * 150);
      broker.signal("SIGTERM");
    } else {
      broker.signal("SIGTERM");
      await pause(Math.random() * 20);
      next = sandbox.tryBroker();
    }
    assert(await next.serves(), next.stderr);
    const bound = inodes(sandbox, names);
    assert.equal(await broker.exit(END_MS_MAX), 0);
    longest_ms = Math.max(longest_ms, performance.now() - begin_ms);
    await pause(50);
    assert.deepEqual(inodes(sandbox, names), bound, "a socket is not the one that the new broker has bound");
    for (const name of names) {
      using conn = await Deno.connect({ transport: "unix", path: sandbox.socket(name) });
      await conn.write(new TextEncoder().encode('{"ipc":1,"type":"hello"}\n'));
      assert((await within(conn.read(new Uint8Array(1024)), `nobody answers on ${name}`))! > 0);
    }
    const { pid } = await control("ping", {}, { socket_dir }) as { pid: number };
    assert.equal(pid, next.pid);
    broker = next;
    // What is accepted while a listener is away is not delivered by a broker that ends before it is back.
    await back(canaries);
  }
  const report = await canaries.stop();
  report.assertAccounted();
  assert.equal(report.sum("missed"), 0, `${report}`);
  return { canaries: report, also: [["it ends within", `${Math.round(longest_ms)} ms`, `<= ${END_MS_MAX} ms`]] };
}

/** Those who would keep a broker from ending. */
async function hinder(sandbox: Sandbox, stack: AsyncDisposableStack): Promise<void> {
  const { socket_dir } = sandbox;
  await control("open", { channel: "hindered" }, { socket_dir });
  stack.use(await SlowListener.connect(sandbox.socket("hindered"), "binary"));
  const publisher = await connect("hindered", { socket_dir, reconnect: false });
  // That not all of it has arrived is what it says then.
  stack.defer(() => publisher.close().catch(() => {}));
  const flood = (async () => {
    for (let n = 0; n < 20_000; n++) await publisher.broadcast("x".repeat(1_000));
  })().catch(() => {});
  stack.defer(() => flood);
  const handler = stack.use(await connect("hindered", { socket_dir, reconnect: false }));
  handler.handle(() => new Promise(() => {}));
  await handler.flush();
  const reply = handler.invoke("never answered", { timeout_ms: Infinity }).then(() => {}, () => {});
  stack.defer(() => reply);
  await eventually(async () => await waiting(sandbox, "hindered") > 0, "the publisher does not wait");
}

/** Canaries that have begun. */
export async function singing(sandbox: Sandbox): Promise<Canaries> {
  const canaries = await startCanaries(sandbox);
  await eventually(async () => await canaries.received() > 500, "the canaries do not sing");
  return canaries;
}

/** Waits until every one of them sings again. */
async function back(canaries: Canaries): Promise<void> {
  const { pairs: before } = await canaries.report();
  await eventually(async () => {
    const { pairs } = await canaries.report();
    return pairs.every(({ received }, at) => received > before[at]!.received + 10);
  }, "the canaries do not come back");
}

/** How many publishers wait for a channel's listeners. */
async function waiting(sandbox: Sandbox, channel: string): Promise<number> {
  const { publishers_waiting } = await control("channel", { channel }, { socket_dir: sandbox.socket_dir }) as {
    publishers_waiting: number;
  };
  return publishers_waiting;
}

async function stats(sandbox: Sandbox): Promise<{ queued_bytes: number }> {
  return await control("stats", {}, { socket_dir: sandbox.socket_dir }) as { queued_bytes: number };
}

/** The canaries' channels that are open. */
async function canaryChannels(sandbox: Sandbox): Promise<{ events: number; listeners: number }[]> {
  const channels = await control("channels", { glob: "canary-*" }, { socket_dir: sandbox.socket_dir });
  return channels as { events: number; listeners: number }[];
}

async function epochOf(sandbox: Sandbox, channel: string): Promise<string> {
  const { epoch } = await control("open", { channel }, { socket_dir: sandbox.socket_dir }) as { epoch: string };
  return epoch;
}

function inodes(sandbox: Sandbox, names: readonly string[]): (number | null)[] {
  return names.map((name) => Deno.lstatSync(sandbox.socket(name)).ino);
}

function numbersTo(last: number): string[] {
  return Array.from({ length: last }, (_, n) => String(n + 1));
}
