/**
 * What `ipc bench` measures: events from one publisher to some listeners, events to whoever listens, and requests, each
 * through the broker and, with the same bytes, over a bare Unix socket within this process.
 *
 * @module
 */
import type { Channel } from "../../client/mod.ts";
import { encodeFrame, FRAME_TYPES } from "../../protocol/frame.ts";

/** How much of what. */
export interface Load {
  /** Bytes of a payload. */
  size: number;
  /** For how long to send. */
  duration_ms: number;
  /** Ends it earlier. */
  signal: AbortSignal;
}

/** Messages in a time. */
export interface Throughput {
  messages: number;
  per_s: number;
  bytes_per_s: number;
}

/** About as much as a publisher of lines hands over at once. */
const BLOCK_BYTES = 64 * 1024;

/** Frames of events, one behind the other. */
function block(size: number): { frames: Uint8Array<ArrayBuffer>; count: number } {
  const one = encodeFrame({ type: FRAME_TYPES.EVENT, payload: new Uint8Array(size).fill(0x78) });
  const count = Math.max(1, Math.floor(BLOCK_BYTES / one.length)), frames = new Uint8Array(count * one.length);
  for (let at = 0; at < count; at++) frames.set(one, at * one.length);
  return { frames, count };
}

function throughput(messages: number, size: number, took_ms: number): Throughput {
  const per_s = messages / took_ms * 1000;
  return { messages, per_s, bytes_per_s: per_s * size };
}

/** From when the first is sent to when the last has come to every listener. */
export async function eventsThroughBroker(
  publisher: Channel,
  listeners: readonly Channel[],
  { size, duration_ms, signal }: Load,
): Promise<Throughput> {
  const { frames, count } = block(size), frame_bytes = frames.length / count;
  const all = Promise.withResolvers<void>(), come = listeners.map(() => 0);
  let sent = 0, sending = true;
  const look = (): void => {
    if (!sending && come.every((messages) => messages >= sent)) all.resolve();
  };
  using using_all = new DisposableStack();
  listeners.forEach((listener, at) =>
    using_all.use(listener.listenRuns((run, gap) => {
      if (gap !== undefined) all.reject(new Error(`the broker dropped events: ${gap.reason}`));
      come[at]! += run.length / frame_bytes;
      look();
    }))
  );
  await Promise.all(listeners.map((listener) => listener.flush()));
  const begin_ms = performance.now();
  while (performance.now() - begin_ms < duration_ms && !signal.aborted) {
    await publisher.broadcastFrames(frames.slice(), count);
    sent += count;
  }
  sending = false;
  look();
  await all.promise;
  return throughput(sent, size, performance.now() - begin_ms);
}

/** To whoever listens: from when the first is sent to when the broker has the last of every publisher. */
export async function publishing(
  publishers: readonly Channel[],
  { size, duration_ms, signal }: Load,
): Promise<Throughput> {
  const { frames, count } = block(size);
  let sent = 0;
  const begin_ms = performance.now();
  await Promise.all(publishers.map(async (publisher) => {
    while (performance.now() - begin_ms < duration_ms && !signal.aborted) {
      await publisher.broadcastFrames(frames.slice(), count);
      sent += count;
    }
    await publisher.flush();
  }));
  return throughput(sent, size, performance.now() - begin_ms);
}

/** How long each request takes, in milliseconds, ascending. Each asks one after the other. */
export async function requestsThroughBroker(
  askers: readonly Channel[],
  handler: Channel,
  { size, duration_ms, signal }: Load,
): Promise<Float64Array> {
  using _handler = handler.handle(({ data }) => data);
  await handler.flush();
  const payload = new Uint8Array(size);
  return await timesOf(duration_ms, signal, askers.map((asker) => () => asker.invoke(payload)));
}

/** The same over a socket, with nobody in between. */
export async function eventsOverSocket(path: string, { size, duration_ms, signal }: Load): Promise<Throughput> {
  using pair = await socketPair(path);
  const { frames, count } = block(size);
  let sent = 0, sending = true;
  const begin_ms = performance.now();
  const reading = (async () => {
    const into = new Uint8Array(256 * 1024);
    for (let bytes = 0; sending || bytes < sent / count * frames.length;) {
      const read = await pair.theirs.read(into);
      if (read === null) break;
      bytes += read;
    }
  })();
  while (performance.now() - begin_ms < duration_ms && !signal.aborted) {
    sent += count;
    await writeAll(pair.ours, frames);
  }
  sending = false;
  pair.ours.closeWrite();
  await reading;
  return throughput(sent, size, performance.now() - begin_ms);
}

/** How long it takes over a socket and back, on so many at once. */
export async function requestsOverSocket(
  path: string,
  { size, duration_ms, signal }: Load,
  sockets: number,
): Promise<Float64Array> {
  const frame = encodeFrame({ type: FRAME_TYPES.REQUEST, payload: new Uint8Array(size) });
  using pairs = new DisposableStack();
  const asking: (() => Promise<unknown>)[] = [];
  while (asking.length < sockets) {
    const { ours, theirs } = pairs.use(await socketPair(path));
    const echo = async (): Promise<void> => {
      await readWhole(theirs, frame.length);
      await writeAll(theirs, frame);
    };
    asking.push(() => Promise.all([echo(), writeAll(ours, frame), readWhole(ours, frame.length)]));
  }
  return await timesOf(duration_ms, signal, asking);
}

/** What each of them takes, again and again, all of them beside each other. */
async function timesOf(
  duration_ms: number,
  signal: AbortSignal,
  all: readonly (() => Promise<unknown>)[],
): Promise<Float64Array> {
  const times_ms: number[] = [], begin_ms = performance.now();
  await Promise.all(all.map(async (once) => {
    for (let at_ms = begin_ms; at_ms - begin_ms < duration_ms && !signal.aborted;) {
      await once();
      const now_ms = performance.now();
      times_ms.push(now_ms - at_ms);
      at_ms = now_ms;
    }
  }));
  return Float64Array.from(times_ms).sort();
}

/** Both ends of a connection. */
interface Pair extends Disposable {
  ours: Deno.UnixConn;
  theirs: Deno.UnixConn;
}

async function socketPair(path: string): Promise<Pair> {
  using listener = Deno.listen({ transport: "unix", path });
  const [ours, theirs] = await Promise.all([Deno.connect({ transport: "unix", path }), listener.accept()]);
  await Deno.remove(path);
  return {
    ours,
    theirs,
    [Symbol.dispose]() {
      ours.close();
      theirs.close();
    },
  };
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
}

async function readWhole(conn: Deno.Conn, bytes: number): Promise<void> {
  const into = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const read = await conn.read(into.subarray(at));
    if (read === null) throw new Error("the socket was closed");
    at += read;
  }
}
