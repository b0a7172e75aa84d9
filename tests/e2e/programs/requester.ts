/**
 * Asks, once it is told "go": `clients` connections ask `count` questions each, `at_once` at a time. Tells "ready", then
 * "done" with what came of it. Obeys "report".
 *
 * @module
 */
import { type Channel, connect, IpcError } from "../../../client/mod.ts";
import { given, obey, tell } from "./program.ts";

const options = given<{
  channel: string;
  clients?: number;
  count: number;
  at_once: number;
  /** Asks what is never answered. */
  hang?: boolean;
  /** Asks for a streamed reply of so many parts every now and then. */
  stream_every?: number;
  parts?: number;
}>();
const { clients = 1, count, at_once, hang = false, stream_every = Infinity, parts = 0 } = options;

let asked = 0, right = 0, wrong = 0, streams = 0, last_ms = 0;
const failures = new Map<string, number>();
const channels = await Promise.all(Array.from({ length: clients }, () => connect(options.channel)));
tell("ready");

await obey({ go: () => void askAll(), report: () => tell("report", account()) });

function account(): Record<string, unknown> {
  return { asked, right, wrong, streams, failures: Object.fromEntries(failures), last_ms };
}

async function askAll(): Promise<void> {
  await Promise.all(channels.map((channel, index) => askFrom(channel, index)));
  tell("done", account());
}

async function askFrom(channel: Channel, index: number): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(at_once, count) }, async () => {
    while (next < count) await ask(channel, index, ++next);
  }));
}

async function ask(channel: Channel, index: number, number: number): Promise<void> {
  asked++;
  try {
    if (hang) await channel.invoke({ hang: true }, { timeout_ms: Infinity });
    else if (number % stream_every === 0) await askForStream(channel);
    else {
      const echo = `${index}:${number}`;
      if (await channel.invoke({ echo }, { timeout_ms: Infinity }) === echo) right++;
      else wrong++;
    }
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    failures.set(error.reason, (failures.get(error.reason) ?? 0) + 1);
    last_ms = Date.now();
  }
}

async function askForStream(channel: Channel): Promise<void> {
  let expected = 1;
  for await (const reply of channel.invokeStream({ parts, bytes: 64 }, { timeout_ms: Infinity })) {
    if (!(reply.data instanceof Uint8Array)) continue;
    const number = new DataView(reply.data.buffer, reply.data.byteOffset).getUint32(8);
    if (number !== expected++) wrong++;
  }
  if (expected === parts + 1) streams++;
  else wrong++;
}
