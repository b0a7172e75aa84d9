/**
 * The listeners of `[[listen]]`: addresses on the network that lead to one channel, or to whichever the client names.
 *
 * @module
 */
import type { ListenSecrets, ListenSettings } from "../config/settings.ts";
import type { Door } from "./dialects/mod.ts";
import type { Channel, Registry } from "./registry.ts";
import type { Peer } from "./router/mod.ts";
import { TokenGate } from "./tokens.ts";
import { SharedListener } from "./transport/shared_listener.ts";

/** What the listeners are given. */
export interface SharedListenersOwner {
  readonly registry: Registry<Peer>;
  /** Reads the files that a listener names. */
  secrets(listen: ListenSettings): ListenSecrets;
  accepted(conn: Deno.Conn, door: Door): void;
  ready(): Promise<void> | undefined;
  failed(listener: string, error: unknown): void;
  /** Judges tokens where a listener has none of its own. */
  readonly gate: TokenGate;
  /** Somebody showed no token, or a wrong one. */
  unauthorized(listener: string, why: string): void;
}

interface Wanted {
  settings: ListenSettings;
  secrets: ListenSecrets;
}

interface Open extends Wanted {
  door: SharedDoor;
  /** Outlives a listener that is opened again with another certificate. */
  gate: TokenGate;
  listener: SharedListener;
}

/** See the module's head. */
export class SharedListeners {
  readonly #owner: SharedListenersOwner;
  #open: Open[] = [];
  #closed = false;
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  constructor(owner: SharedListenersOwner) {
    this.#owner = owner;
  }

  /** What is open, for whoever asks; the port is the one that was bound. */
  describe(): Record<string, unknown>[] {
    return this.#open.map(({ settings, secrets, listener }) => ({
      name: settings.name,
      hostname: listener.address.hostname,
      port: listener.address.port,
      tls: secrets.tls !== undefined,
      token: secrets.tokens !== undefined,
      channel: settings.channel ?? null,
    }));
  }

  /**
   * Opens what is new, closes what is gone, and leaves the rest open. Connections stay, whatever becomes of the listener
   * that they came by; but nobody accepts the tokens any more that only a listener accepted that is gone.
   *
   * @throws {IpcError} If one cannot be opened, or what the files are read by throws; then everything is as it was.
   */
  replace(settings: readonly ListenSettings[]): Promise<void> {
    const change = this.#changing.then(() => this.#replace(settings));
    this.#changing = change.catch(() => {});
    return change;
  }

  /** Stops accepting. Resolves when all ports are free. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#changing;
    await Promise.all(this.#open.splice(0).map(({ listener }) => listener.close()));
  }

  async #replace(settings: readonly ListenSettings[]): Promise<void> {
    if (this.#closed) return;
    const wanted = settings.map((entry): Wanted => ({ settings: entry, secrets: this.#owner.secrets(entry) }));
    const before = this.#open, kept = new Map<Wanted, Open>();
    for (const entry of wanted) {
      const same = before.find((open) => isSamePlace(open, entry) && !isTaken(kept, open));
      if (same !== undefined) kept.set(entry, same);
    }
    const gone = before.filter((open) => !isTaken(kept, open));
    // First, because another certificate needs the same port.
    await Promise.all(gone.map(({ listener }) => listener.close()));
    const opened: Open[] = [], heirs = new Map<Wanted, TokenGate>();
    for (const entry of wanted) {
      const before = gone.find(({ settings }) => settings.name === entry.settings.name);
      if (!kept.has(entry) && before !== undefined) heirs.set(entry, before.gate);
    }
    try {
      for (const entry of wanted) if (!kept.has(entry)) opened.push(this.#listen(entry, heirs.get(entry)));
    } catch (error) {
      await Promise.all(opened.map(({ listener }) => listener.close()));
      this.#open = [
        ...before.filter((open) => isTaken(kept, open)),
        ...gone.map((open) => this.#listen(open, open.gate)),
      ];
      throw error;
    }
    for (const [entry, { door }] of kept) door.change(entry);
    this.#open = wanted.map((entry) => {
      const same = kept.get(entry);
      return same === undefined ? opened.shift()! : { ...same, ...entry };
    });
    for (const { gate } of gone) if (![...heirs.values()].includes(gate)) gate.change(undefined);
  }

  #listen({ settings, secrets }: Wanted, before?: TokenGate): Open {
    const owner = this.#owner, gate = before ?? new TokenGate(true, (why) => owner.unauthorized(settings.name, why));
    const door = new SharedDoor(owner, gate, { settings, secrets });
    const listener = new SharedListener({ hostname: settings.hostname, port: settings.port, tls: secrets.tls }, {
      accepted: (conn) => owner.accepted(conn, door),
      ready: () => owner.ready(),
      failed: (error) => owner.failed(settings.name, error),
    });
    return { settings, secrets, door, gate, listener };
  }
}

function isTaken(kept: ReadonlyMap<Wanted, Open>, open: Open): boolean {
  return [...kept.values()].includes(open);
}

/** Whether a listener that is open can stay for what is wanted now. */
function isSamePlace(open: Open, { settings, secrets }: Wanted): boolean {
  return open.settings.hostname === settings.hostname && open.settings.port === settings.port &&
    open.secrets.tls?.cert === secrets.tls?.cert && open.secrets.tls?.key === secrets.tls?.key;
}

/** What a connection from the network came in by. */
class SharedDoor implements Door {
  readonly public = true;
  readonly #owner: SharedListenersOwner;
  readonly #gate: TokenGate;
  #settings!: ListenSettings;
  #has_tokens = false;

  constructor(owner: SharedListenersOwner, gate: TokenGate, wanted: Wanted) {
    this.#owner = owner;
    this.#gate = gate;
    this.change(wanted);
  }

  /** For those who come from now on; and whose token is not there any more, is to go. */
  change({ settings, secrets: { tokens } }: Wanted): void {
    this.#settings = settings;
    this.#has_tokens = tokens !== undefined;
    this.#gate.change(tokens);
  }

  get guarded(): boolean {
    return this.#has_tokens;
  }

  get channel(): Channel<Peer> | undefined {
    const { channel } = this.#settings;
    return channel === undefined ? undefined : this.#owner.registry.channel(channel);
  }

  admit(token: string | undefined): ReturnType<Door["admit"]> {
    return (this.#has_tokens ? this.#gate : this.#owner.gate).admit(token);
  }
}
