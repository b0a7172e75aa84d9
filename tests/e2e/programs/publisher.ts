/**
 * Broadcasts numbered events once it is told "go", until it has sent `count` of them or is told "stop". Then it flushes,
 * and tells "done". Whenever the broker confirmed what was sent, `confirmed` goes up.
 *
 * @module
 */
import { connect, IpcError } from "../../../client/mod.ts";
import { numbered } from "./numbered.ts";
import { given, obey, tell } from "./program.ts";

/** What it is given. */
export interface PublisherOptions {
  channel: string;
  /** Its number among the publishers. */
  publisher: number;
  /** How many events to send. Default: until it is told to stop. */
  count?: number;
  /** Length of a payload. */
  bytes?: number;
  /** Which events are so long in its place: each so many-th. */
  large?: { every: number; bytes: number };
  /** How many events between two flushes. Default: only one flush, at the end. */
  flush_every?: number;
  /** Flushes with an acknowledged event in place of `flush()`. */
  ack?: boolean;
  /** A rest after each flush. */
  rest_ms?: number;
}

const options = given<PublisherOptions>();
const { publisher, bytes = 12, count = Infinity, flush_every = Infinity, rest_ms = 0, large } = options;
/** Events taken in by the library; the last one that the broker is known to have; what flush() did not confirm. */
let sent = 0, confirmed = 0, stopped = false;
const failures: { from: number; to: number; reason: string; message: string; events: unknown }[] = [];

const channel = await connect(options.channel, {
  name: `publisher-${publisher}`,
  onnotice: (notice) => tell("notice", { kind: notice.type, ...("epoch" in notice ? { epoch: notice.epoch } : {}) }),
});
tell("ready", { client: channel.client, epoch: channel.epoch });

await obey({
  go: () => void publish(),
  stop: () => stopped = true,
  report: () => tell("report", account()),
});

function account(): Record<string, unknown> {
  return { sent, confirmed, failures, epoch: channel.epoch };
}

async function publish(): Promise<void> {
  while (sent < count && !stopped) {
    const number = ++sent;
    await channel.broadcast(numbered(publisher, number, number % (large?.every ?? 0) === 0 ? large!.bytes : bytes));
    if (sent % flush_every === 0) await confirm();
  }
  await confirm();
  tell("done", account());
}

/** Asks the broker for its word on everything sent so far. */
async function confirm(): Promise<void> {
  const upto = sent;
  try {
    if (options.ack) await channel.broadcast(numbered(publisher, ++sent, bytes), { ack: true });
    else await channel.flush();
    confirmed = options.ack ? upto + 1 : upto;
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    failures.push({ from: confirmed + 1, to: sent, reason: error.reason, message: error.message, events: error.data });
  }
  if (rest_ms > 0) await new Promise((resolve) => setTimeout(resolve, rest_ms));
}
