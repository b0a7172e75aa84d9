/**
 * Tells systemd how the broker is, sd_notify(3): datagrams to the socket that `NOTIFY_SOCKET` names.
 *
 * Nothing here ever fails the broker: whoever cannot be told is told of in the log, once.
 *
 * @module
 */

/** What is needed of the log. */
interface Log {
  warning(message: string, properties?: Record<string, unknown>): void;
}

type Env = (name: string) => string | undefined;

/** Somebody who wants to know. Every method returns at once; what is said arrives in order. */
export class ServiceManager {
  readonly #socket: Deno.DatagramConn;
  readonly #to: Deno.UnixAddr;
  readonly #log: Log;
  #sending: Promise<void> = Promise.resolve();
  #warned = false;
  #watchdog: ReturnType<typeof setInterval> | undefined;

  private constructor(socket: Deno.DatagramConn, path: string, log: Log) {
    this.#socket = socket;
    this.#to = { transport: "unixpacket", path };
    this.#log = log;
  }

  /** @returns `undefined` if nobody wants to know, or cannot be told. */
  static find(env: Env, log: Log): ServiceManager | undefined {
    const address = env("NOTIFY_SOCKET") ?? "";
    // `@` stands for the NUL of an abstract address. Anything else (vsock:...) is for virtual machines.
    if (address[0] !== "/" && address[0] !== "@") return undefined;
    const path = address.replace(/^@/, "\0");
    try {
      // An address of its own, because Deno gives none by itself; abstract, so that nothing is left behind.
      const socket = Deno.listenDatagram({ transport: "unixpacket", path: `\0ipcd-${crypto.randomUUID()}` });
      return new ServiceManager(socket, path, log);
    } catch (error) {
      log.warning("systemd cannot be told anything", { error: String(error) });
      return undefined;
    }
  }

  /** The broker serves, with the configuration as it is. */
  ready(status: string): void {
    this.#say("READY=1", status);
  }

  /** It reads its configuration again; {@linkcode ready} is the end of that. */
  reloading(): void {
    // systemd wants to see that this is later than its order, in microseconds of CLOCK_MONOTONIC, which Deno does not
    // show. The uptime is that clock plus the time spent asleep, rounded up to whole seconds: never too early.
    this.#say(`RELOADING=1\nMONOTONIC_USEC=${Deno.osUptime()}000000`, "reading the configuration again");
  }

  /** It is going away. */
  stopping(status: string): void {
    this.#say("STOPPING=1", status);
  }

  /**
   * Says twice in each period that the process is alive, for as long as its event loop turns.
   *
   * @param pid This process; the watchdog may be another one's.
   */
  watch(env: Env, pid: number): void {
    const period_ms = Number(env("WATCHDOG_USEC") ?? 0) / 1000;
    if (!(period_ms >= 1) || (env("WATCHDOG_PID") ?? String(pid)) !== String(pid)) return;
    this.#watchdog = setInterval(() => this.#say("WATCHDOG=1"), period_ms / 2);
    this.#say("WATCHDOG=1");
  }

  /** Lets go, when everything is said. */
  async close(): Promise<void> {
    clearInterval(this.#watchdog);
    await this.#sending;
    this.#socket.close();
  }

  #say(what: string, status?: string): void {
    // A line feed would end the assignment.
    const text = status === undefined ? what : `${what}\nSTATUS=${status.replaceAll(/\s+/g, " ")}`;
    this.#sending = this.#sending.then(async () => {
      try {
        await this.#socket.send(new TextEncoder().encode(text), this.#to);
      } catch (error) {
        if (!this.#warned) this.#log.warning("systemd cannot be told anything", { error: String(error) });
        this.#warned = true;
      }
    });
  }
}
