/**
 * What happens to the broker during a soak: programs that come, go, come back, ask, answer, do not read, disappear. All
 * that must hold for them is held against what they see; what does not is a fault.
 *
 * @module
 */
import { type Channel, connect, IpcError } from "../../client/mod.ts";
import { RawClient } from "../../daemon/testing.ts";
import { encodeFrame, FRAME_TYPES, socketPath } from "../../protocol/mod.ts";
import { pause, within } from "../e2e/wait.ts";
import { Raw } from "../interop/raw.ts";

/** What the broker is told. Small, so that queues fill, histories turn over and channels close while one looks. */
export const CONFIG = `
queue = "1MiB"
stall_timeout = "2s"
channel_idle = "2s"
[channels.returning]
[channels.asking]
[channels.state]
[channels.drops]
overflow = "drop"
[channels.cuts]
overflow = "disconnect"
`;

/** Each comes back twice a second. */
const RETURNING = 5, LIFE_MS = 480;
const PUBLISH_MS = 20, ASK_MS = 50, STATE_MS = 250, DYNAMIC_MS = 500, STRANGER_MS = 250, SLOW_MS = 3_000, FLOOD_MS = 50;
const FLOOD_BYTES = 64 * 1024;
/** More than this is not said of what goes wrong. */
const FAULTS_MAX = 20;

/** See the module's head. */
export class Load {
  /** What has happened how often. */
  readonly accounts = new Map<string, number>();
  /** What was not as it must be. */
  readonly faults: string[] = [];
  #stopping = false;
  #goodbyes = 0;
  readonly #socket_dir: string;
  readonly #running: Promise<void>[] = [];
  /** Resolves when requests on "asking" are answered. */
  readonly #answering = Promise.withResolvers<void>();

  constructor(socket_dir: string) {
    this.#socket_dir = socket_dir;
  }

  /** Starts everything. */
  start(): void {
    this.#running.push(this.#publishing());
    for (let which = 0; which < RETURNING; which++) this.#running.push(this.#returning(which));
    this.#running.push(this.#asking(), this.#keepingState(), this.#flooding("drops"), this.#flooding("cuts"));
    for (const channel of ["drops", "cuts"]) {
      this.#every(SLOW_MS, "a listener that does not read", () => this.#notReading(channel));
    }
    this.#every(DYNAMIC_MS, "a channel of the moment", (turn) => this.#dynamicChannel(turn));
    this.#every(STRANGER_MS, "a passer-by", (turn) => this.#passerBy(turn));
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await within(Promise.all(this.#running), "the load does not end");
  }

  #connect(channel: string, options: Parameters<typeof connect>[1] = {}): Promise<Channel> {
    return connect(channel, { socket_dir: this.#socket_dir, reconnect: false, ...options });
  }

  /** Numbers for those who come back. */
  async #publishing(): Promise<void> {
    await this.#guarded("the publisher", async () => {
      await using channel = await this.#connect("returning");
      for (let number = 1; !this.#stopping; number++) {
        await channel.broadcast(numbered(number), { ack: true });
        this.#count("events sent");
        await pause(PUBLISH_MS);
      }
    });
  }

  /** A listener that goes and comes back: what it missed it gets, once and in order. */
  async #returning(which: number): Promise<void> {
    let epoch = "", seq = 0;
    await pause(which * LIFE_MS / RETURNING);
    while (!this.#stopping) {
      await this.#guarded("one who comes back", async () => {
        const resume = epoch === "" ? {} : { resume: { epoch, seq } };
        const client = await RawClient.join(this.#socket_dir, "returning", {
          listen: true,
          name: `returning-${which}`,
          ...resume,
        });
        epoch = client.welcome!.epoch;
        if (seq === 0) seq = client.welcome!.seq;
        this.#count("reconnects");
        const gone = setTimeout(() => void this.#goes(client), LIFE_MS);
        try {
          for (let frame; (frame = await client.next()) !== undefined;) {
            if (frame.type === FRAME_TYPES.GAP) this.#fault("one who comes back is told of a gap");
            if (frame.type !== FRAME_TYPES.EVENT) continue;
            if (frame.id !== seq + 1) this.#fault(`event ${frame.id} comes behind event ${seq}`);
            seq = frame.id;
            this.#count("events received");
          }
        } catch (error) {
          if (!isClosed(error)) throw error;
        } finally {
          clearTimeout(gone);
          client.close();
        }
      });
    }
  }

  /** Half of them say goodbye, the others are gone. */
  async #goes(client: RawClient): Promise<void> {
    try {
      if (this.#goodbyes++ % 2 === 0) await client.send(encodeFrame({ type: FRAME_TYPES.BYE }));
      else client.close();
    } catch (error) {
      if (!isClosed(error)) this.#fault(`one who goes: ${error}`);
    }
  }

  /** Requests that are answered, that are not, and that are cancelled; and somebody who sees who comes and goes. */
  async #asking(): Promise<void> {
    await this.#guarded("requests", async () => {
      await using handler = await this.#connect("asking"), asker = await this.#connect("asking");
      handler.handle(({ data, signal }) => {
        if (data !== "never") return data;
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("too late"))));
      });
      asker.presence(() => this.#count("arrivals and departures"));
      await handler.flush();
      this.#answering.resolve();
      for (let number = 0; !this.#stopping; number++) {
        if (number % 20 === 0) await this.#unanswered(asker, number % 40 === 0);
        const reply = await asker.invoke(number);
        if (reply !== number) this.#fault(`request ${number} is answered by ${reply}`);
        this.#count("requests");
        await pause(ASK_MS);
      }
    });
  }

  async #unanswered(asker: Channel, cancelled: boolean): Promise<void> {
    const options = cancelled ? { signal: AbortSignal.timeout(30) } : { timeout_ms: 30 };
    const error = await asker.invoke("never", options).then(() => undefined, (error) => error);
    if (!(error instanceof IpcError)) this.#fault(`a request that nobody answers ends with ${error}`);
    this.#count("requests without an answer");
  }

  /** A retained event that changes, and newcomers who must be told it first. */
  async #keepingState(): Promise<void> {
    await this.#guarded("retained events", async () => {
      await using keeper = await this.#connect("state");
      for (let number = 0; !this.#stopping; number++) {
        await keeper.broadcast({ number }, { retain: true, ack: true });
        await using newcomer = await this.#connect("state");
        const first = Promise.withResolvers<unknown>();
        newcomer.listen(({ data }) => first.resolve(data));
        const told = await within(first.promise, "a newcomer is told no state") as { number: number };
        if (told.number !== number) this.#fault(`a newcomer is told state ${told.number}, it is ${number}`);
        this.#count("newcomers told the state");
        await pause(STATE_MS);
      }
    });
  }

  /** More than somebody who does not read can take. */
  async #flooding(channel: string): Promise<void> {
    await this.#guarded(`the flood on ${channel}`, async () => {
      await using publisher = await this.#connect(channel);
      const bytes = new Uint8Array(FLOOD_BYTES);
      while (!this.#stopping) {
        await publisher.broadcast(bytes, { ack: true });
        this.#count("large events");
        await pause(FLOOD_MS);
      }
    });
  }

  /** Listens and reads nothing; then is killed, if the broker has not closed it before. */
  async #notReading(channel: string): Promise<void> {
    using _client = await RawClient.join(this.#socket_dir, channel, { listen: true });
    this.#count("listeners that do not read");
    await pause(SLOW_MS);
  }

  /** A channel that is opened for one event, and closes by itself. */
  async #dynamicChannel(turn: number): Promise<void> {
    const name = `moment-${turn}`;
    await using listener = await this.#connect(name, { listen: true }), publisher = await this.#connect(name);
    const heard = Promise.withResolvers<unknown>();
    listener.listen(({ data }) => heard.resolve(data));
    await publisher.broadcast(name, { ack: true });
    if (await within(heard.promise, `nothing is heard on ${name}`) !== name) this.#fault(`${name} is heard wrong`);
    this.#count("channels opened and left");
  }

  /** Somebody of another dialect, or of none. */
  async #passerBy(turn: number): Promise<void> {
    await this.#answering.promise;
    using client = await Raw.connect(socketPath(this.#socket_dir, "asking"));
    switch (turn % 5) {
      case 0:
        await client.send(`{"ipc":1,"type":"hello"}\n{"type":"request","id":1,"data":${turn}}\n`);
        if (!(await client.lines(2))[1]!.includes(`"data":${turn}`)) {
          this.#fault(`a line is answered by ${client.text()}`);
        }
        break;
      case 1:
        await client.send(`"text ${turn}"\n`);
        if ((await client.lines(1))[0] !== `"text ${turn}"`) this.#fault(`a text is answered by ${client.text()}`);
        break;
      case 2:
        await client.send(new TextEncoder().encode(`\0{"turn":${turn}}`));
        await client.halfClose();
        await client.end();
        if (client.text() !== `\0{"turn":${turn}}`) this.#fault(`Simple IPC is answered by ${client.text()}`);
        break;
      case 3: // Killed in the middle of a frame.
        await client.send(new Uint8Array([0x89, 0x49, 0x50, 0x43, 1, 0, 0, 0, 0xff, 0, 0, 0]));
        break;
      case 4:
        await client.send(crypto.getRandomValues(new Uint8Array(200)));
    }
    this.#count("passers-by of all dialects");
  }

  /** Again and again, one at a time. */
  #every(ms: number, what: string, work: (turn: number) => Promise<void>): void {
    this.#running.push((async () => {
      for (let turn = 0; !this.#stopping; turn++) {
        await this.#guarded(what, () => work(turn));
        await pause(ms);
      }
    })());
  }

  async #guarded(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#fault(`${what}: ${error instanceof Error ? error.stack : error}`);
      await pause(LIFE_MS); // One that fails at once is not to fill the report.
    }
  }

  #count(what: string): number {
    const count = (this.accounts.get(what) ?? 0) + 1;
    this.accounts.set(what, count);
    return count;
  }

  #fault(what: string): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push(what);
  }
}

/** A number in a message of 1 KiB. */
function numbered(number: number): string {
  return String(number).padEnd(1024, ".");
}

function isClosed(error: unknown): boolean {
  const { BadResource, BrokenPipe, ConnectionReset, Interrupted } = Deno.errors;
  return [BadResource, BrokenPipe, ConnectionReset, Interrupted].some((closed) => error instanceof closed);
}
