/**
 * How `ipc wait` finds out that something is so. It subscribes to what changes first and looks at what is there then, so
 * that nothing falls between.
 *
 * @module
 */
import { type Channel, IpcError } from "../client/mod.ts";
import { after } from "../client/pause.ts";
import { formatDuration } from "../config/units.ts";
import { FLAGS } from "../protocol/frame.ts";
import { askBroker, noBroker, openChannel } from "./connection.ts";
import { eachFrame } from "./events/frames.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { notice, noticesOf, printable } from "./notice.ts";
import { dataText } from "./payload_text.ts";
import type { WaitOptions } from "./wait.ts";

/** What can be waited for. */
export type AwaitedState =
  | { what: "listener" | "handler" }
  | { what: "client"; name: string }
  | { what: "message"; fits: (text: string) => boolean }
  | { what: "idle"; idle_ms: number };

/** How often to look for a broker. */
const BROKER_POLL_MS = 50;
/** Timers take no more (24.8 days). */
const TIMER_MS_MAX = 0x7fff_ffff;

/** Waits. @returns The exit code. */
export async function awaitState(options: WaitOptions, io: Io): Promise<number> {
  const until_ms = performance.now() + options.timeout_ms;
  for (;;) {
    try {
      await using channel = await openChannel(options.channel, io, {
        name: options.name,
        listen: options.state.what === "message" || options.state.what === "idle",
        presence: options.state.what !== "message" && options.state.what !== "idle",
        onnotice: noticesOf(options.channel, io.stderr),
      });
      return await awaitOn(channel, options, until_ms, io);
    } catch (error) {
      // Without a broker it is not so, yet.
      if (options.no_wait || !noBroker(error)) throw error;
      if (performance.now() + BROKER_POLL_MS >= until_ms) {
        const late = `${sentence(options)} after ${formatDuration(options.timeout_ms)}`;
        throw new Failure(EXIT.TIMEOUT, `${late}: ${(error as Error).message}`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, BROKER_POLL_MS));
  }
}

async function awaitOn(channel: Channel, options: WaitOptions, until_ms: number, io: Io): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  promise.catch(() => {});
  const left_ms = until_ms - performance.now();
  const late = (): void =>
    reject(new Failure(EXIT.TIMEOUT, `${sentence(options)} after ${formatDuration(options.timeout_ms)}`));
  const disarm = after(left_ms, late);
  channel.closed.then((error) => reject(error ?? new IpcError("SHUTDOWN", "the channel was closed")));
  const watch = WATCHES[options.state.what] as Watch<AwaitedState>;
  using watching = watch(channel, options.state, () => resolve(EXIT.OK), reject, io);
  watching.looked.catch(() => {});
  try {
    if (options.no_wait) {
      await Promise.race([promise, watching.looked]);
      reject(new Failure(EXIT.NEGATIVE, sentence(options)));
    }
    return await promise;
  } finally {
    disarm();
  }
}

/** Calls back when it is so, at once if it is already. */
type Watch<State> = (
  channel: Channel,
  state: State,
  so: () => void,
  failed: (error: unknown) => void,
  io: Io,
) => Watching;

interface Watching extends Disposable {
  /** Resolves when it is known what was so already. */
  looked: Promise<unknown>;
}

const WATCHES: { [What in AwaitedState["what"]]: Watch<Extract<AwaitedState, { what: What }>> } = {
  listener: (channel, _state, so) => watchClients(channel, ({ listen }) => listen, so),
  handler: (channel, _state, so) => watchClients(channel, ({ handle }) => handle, so),
  client: (channel, state, so) => watchClients(channel, ({ name }) => name === state.name, so),
  message: (channel, { fits }, so, failed, io) => {
    let done = false;
    const listening = channel.listen(({ data }) => {
      if (done) return;
      const bytes = dataText(data);
      if (!fits(new TextDecoder().decode(bytes))) return;
      done = true;
      try {
        io.stdout.write(bytes);
        io.stdout.write("\n");
        so();
      } catch (error) {
        failed(error);
      }
    });
    return { looked: channel.flush(), [Symbol.dispose]: listening };
  },
  idle: (channel, { idle_ms }, so, failed, io) => {
    const asked_ms = performance.now();
    let quiet_since_ms = asked_ms, disarm: (() => void) | undefined;
    const again = (): void => {
      const left_ms = quiet_since_ms + idle_ms - performance.now();
      if (left_ms > 0) disarm = after(Math.min(left_ms, TIMER_MS_MAX), again);
      // What comes while there is no connection is told with the next one.
      else if (!channel.connected) disarm = after(BROKER_POLL_MS, again);
      else so();
    };
    const listening = channel.listenRuns((frames) => {
      for (const { flags } of eachFrame(frames)) {
        // One that is retained was sent before.
        if ((flags & FLAGS.RETAIN) === 0) quiet_since_ms = performance.now();
      }
    });
    const looked = quietMs(channel, io).then((quiet_ms) => {
      if (quiet_since_ms === asked_ms) quiet_since_ms -= quiet_ms;
      again();
    });
    looked.catch(failed);
    return {
      looked,
      [Symbol.dispose]() {
        disarm?.();
        listening();
      },
    };
  },
};

function watchClients(
  channel: Channel,
  fits: (client: { name: string; listen: boolean; handle: boolean }) => boolean,
  so: () => void,
): Watching {
  const watching = channel.presence((who) => {
    if (who.event !== "leave" && who.client !== channel.client && fits(who)) so();
  });
  // What is there is told before the answer to this.
  return { looked: channel.flush(), [Symbol.dispose]: watching };
}

/** For how long the broker has seen no message, at least. It does not tell those who may not see the channel: no time then. */
async function quietMs(channel: Channel, io: Io): Promise<number> {
  try {
    const { quiet_ms } = await askBroker("channel", { channel: channel.name }, io) as { quiet_ms: number };
    return quiet_ms;
  } catch (error) {
    if (!(error instanceof IpcError) || error.reason !== "FORBIDDEN") throw error;
    notice(io.stderr, `${channel.name}: since when it is quiet is not told, so it counts from now: ${error.message}`);
    return 0;
  }
}

/** What is not so. */
function sentence({ channel, state }: WaitOptions): string {
  switch (state.what) {
    case "client":
      return `channel ${channel} has no client called ${JSON.stringify(printable(state.name))}`;
    case "message":
      return `no such message has come on channel ${channel}`;
    case "idle":
      return `channel ${channel} has not been quiet for ${formatDuration(state.idle_ms)}`;
    default:
      return `channel ${channel} has no ${state.what}`;
  }
}
