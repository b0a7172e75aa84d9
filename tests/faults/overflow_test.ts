import assert from "node:assert/strict";
import { type Channel, connect, control } from "../../client/mod.ts";
import { type Overflow, OVERFLOWS } from "../../protocol/bodies.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, pause, within } from "../e2e/wait.ts";
import { figure } from "./figures.ts";
import { type Dialect, DIALECTS, SlowListener, type Told } from "./slow_listener.ts";

/** More than a queue of 64 KiB and the kernel hold. */
const EVENTS = 1_500, PAYLOAD = "x".repeat(1_000);

/** What a channel says, what its listener asks for, and whether the history still has what was missed. */
interface Case {
  channel: Overflow;
  asked: Overflow | undefined;
  dialect: Dialect;
  kept: boolean;
}

const CASES: Case[] = [];
for (const channel of OVERFLOWS) {
  for (const dialect of DIALECTS) {
    // Text has no way to ask.
    for (const asked of dialect === "text" ? [undefined] : [undefined, ...OVERFLOWS]) {
      for (const kept of [true, false]) CASES.push({ channel, asked, dialect, kept });
    }
  }
}

Deno.test("overflow: what a channel says and its listener asks for is done in every dialect, and every event accounted for", async () => {
  await using sandbox = new Sandbox();
  const tables = CASES.map((each) =>
    `[channels.${nameOf(each)}]\noverflow = "${each.channel}"\nhistory = "${each.kept ? "8MiB" : "256KiB"}"\n`
  );
  Deno.writeTextFileSync(sandbox.config_file, `queue = "64KiB"\nstall_timeout = "10m"\n${tables.join("")}`);
  await sandbox.broker();
  const socket_dir = sandbox.socket_dir;
  let missed = 0;
  for (const dialect of DIALECTS) {
    const results = await Promise.all(
      CASES.filter((each) => each.dialect === dialect).map(async (each) => {
        try {
          return await play(sandbox, each);
        } catch (error) {
          throw new Error(`${nameOf(each)}: ${(error as Error).message}`, { cause: error });
        }
      }),
    );
    missed += results.reduce((sum, events) => sum + events, 0);
  }
  const stats = await control("stats", {}, { socket_dir }) as { gaps: number };
  assert.equal(stats.gaps, missed, "the broker counts other events than it tells of");
  figure(
    4,
    `overflow: ${CASES.length} combinations of channel, listener, dialect and history`,
    `${missed} events missed, each told`,
    "every event received or told",
  );
});

function nameOf({ channel, asked, dialect, kept }: Case): string {
  return `${dialect}-${channel}-${asked ?? "nothing"}-${kept ? "kept" : "gone"}`;
}

/** @returns How many events the listener was told it missed. */
async function play(sandbox: Sandbox, each: Case): Promise<number> {
  const { channel, asked, dialect, kept } = each, name = nameOf(each), path = sandbox.socket(name);
  const policy = channel === "block" ? asked ?? "block" : channel;
  using listener = await SlowListener.connect(path, dialect, asked === undefined ? {} : { overflow: asked });
  await using publisher = await connect(name, { socket_dir: sandbox.socket_dir });
  const client = () => listening(sandbox, name);
  assert.equal((await client()).overflow, policy);
  const sent = send(publisher);
  let waits = true;
  sent.then(() => waits = false, () => {});
  if (policy === "block") {
    // Its publisher waits for it, however long; half a second is for seeing that.
    await pause(500);
    assert(waits, "the publisher did not wait");
  } else await within(sent, "the publisher waits for a listener that does not ask it to");
  if (policy === "drop") {
    // Hardly more was dropped than had to be.
    const { queued_bytes } = await client();
    assert(queued_bytes > 52 * 1024, `${queued_bytes} bytes are queued`);
    // One read of the broker's is being written and cannot be taken back, and one may be larger than the queue.
    assert(queued_bytes < (256 + 256 + 64) * 1024, `${queued_bytes} bytes are queued`);
  }
  const told = await listener.until(String(EVENTS)), last = account(told, 0);
  await within(sent, "the publisher still waits");
  if (policy === "block") {
    assert.deepEqual([last, missedIn(told)], [EVENTS, 0]);
    return 0;
  }
  if (policy === "drop") {
    assert.equal(last, EVENTS);
    assert(missedIn(told) > 0, "all of it cannot have found room");
    assert(told.every((each) => !("from" in each) || each.reason === "overflow"));
    return missedIn(told);
  }
  assert.deepEqual(told.at(-1), { closed: "SLOW_CONSUMER" });
  assert(last < EVENTS);
  if (dialect === "text") return 0;
  using back = await SlowListener.connect(path, dialect, { resume: { epoch: listener.epoch, seq: last } });
  assert.deepEqual([back.epoch, back.seq], [listener.epoch, EVENTS]);
  const rest = await back.until(String(EVENTS));
  assert.equal(account(rest, last), EVENTS);
  const gaps = rest.filter((each) => "from" in each);
  if (kept) assert.deepEqual(gaps, []);
  else assert(gaps.length === 1 && gaps[0] === rest[0] && gaps[0]!.reason === "history", "the gap comes first");
  return missedIn(rest);
}

/** What the broker says of the listener on a channel. */
async function listening(sandbox: Sandbox, channel: string): Promise<{ overflow: string; queued_bytes: number }> {
  return await eventually(async () => {
    const clients = await control("clients", { channel }, { socket_dir: sandbox.socket_dir }) as {
      listen: boolean;
      overflow: string;
      queued_bytes: number;
    }[];
    return clients.find(({ listen }) => listen);
  }, "the listener is not there");
}

async function send(publisher: Channel): Promise<void> {
  for (let n = 1; n <= EVENTS; n++) await publisher.broadcast(n === EVENTS ? String(n) : `${n} ${PAYLOAD}`);
  await publisher.flush();
}

/** Sees that every number comes once and in order, as an event or in a gap. @returns The last one. */
function account(told: readonly Told[], before: number): number {
  let last = before;
  for (const each of told) {
    if ("closed" in each) break;
    const from = "event" in each ? Number(each.event.split(" ")[0]) : each.from, to = "event" in each ? from : each.to;
    assert.equal(from, last + 1, `after ${last} comes ${JSON.stringify(each).slice(0, 100)}`);
    last = to;
  }
  return last;
}

function missedIn(told: readonly Told[]): number {
  return told.reduce((sum, each) => "from" in each ? sum + each.to - each.from + 1 : sum, 0);
}
