/**
 * `ipc top` while it runs: looks at the broker again and again, and does what keys say.
 *
 * @module
 */
import { type Channel, type ClientInfo, IpcError } from "../../client/mod.ts";
import { CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import type { ChannelLine } from "../channels.ts";
import { clientsText } from "../clients.ts";
import { wantsColor } from "../color.ts";
import { openChannel } from "../connection.ts";
import { EXIT } from "../exit_codes.ts";
import { type ChannelDetails, detailsText } from "../inspect.ts";
import type { Io } from "../io.ts";
import { endingSignals } from "../signals.ts";
import type { Stats } from "../stats/metrics.ts";
import type { TopOptions } from "../top.ts";
import { Model } from "./model.ts";
import { type Extra, listRows, screenLines, sortColumns, type Style } from "./screen.ts";
import { keysOf, Terminal } from "./terminal.ts";

/** See the module's head. */
export class Top {
  readonly #options: TopOptions;
  readonly #io: Io;
  readonly #model = new Model();
  readonly #extra: Extra = { paused: false };
  readonly #end = Promise.withResolvers<number>();
  #terminal!: Terminal;
  #control!: Channel;
  /** Who takes the next key, if it is not the list. */
  #asking: ((key: string) => void) | undefined;

  constructor(options: TopOptions, io: Io) {
    this.#options = options;
    this.#io = io;
  }

  /** Runs until it is left. @returns The exit code. */
  async run(): Promise<number> {
    // What is wrong from the start is said on the screen that is there.
    this.#control = await openChannel(CONTROL_CHANNEL, this.#io, {
      name: "ipc top",
      reconnect: false,
      onnotice: () => {},
    });
    try {
      await this.#look();
      using signals = endingSignals(this.#io);
      using terminal = new Terminal(this.#io.stdout);
      this.#terminal = terminal;
      signals.ended.then((code) => this.#end.resolve(code));
      const timer = setInterval(() => this.#guard(() => this.#tick()), this.#options.interval_ms);
      const resized = (): void => this.#draw();
      Deno.addSignalListener("SIGWINCH", resized);
      try {
        this.#draw();
        this.#guard(() => this.#readKeys());
        this.#control.closed.then((error) => {
          this.#end.reject(error ?? new IpcError("SHUTDOWN", "the broker has closed the connection"));
        });
        return await this.#end.promise;
      } finally {
        clearInterval(timer);
        Deno.removeSignalListener("SIGWINCH", resized);
      }
    } finally {
      await this.#control.close();
    }
  }

  get #style(): Style {
    const env = (name: string): string => this.#io.env(name) ?? "";
    const locale = env("LC_ALL") || env("LC_CTYPE") || env("LANG");
    return { ...this.#terminal.size(), color: wantsColor(this.#io.stdout, this.#io), unicode: /utf-?8/i.test(locale) };
  }

  #draw(): void {
    try {
      this.#terminal.show(screenLines(this.#model, this.#extra, this.#style));
    } catch (error) {
      this.#end.reject(error);
    }
  }

  /** Whatever fails ends it. */
  #guard(work: () => Promise<void>): void {
    work().catch((error) => this.#end.reject(error));
  }

  async #tick(): Promise<void> {
    if (this.#extra.paused) return;
    await this.#look();
    this.#draw();
  }

  #looking = false;

  /** One look at a time: a broker that is slow is not asked for more. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const { glob } = this.#options, ask = (method: string, params = {}) => this.#control.invoke({ method, params });
      const [stats, all, clients] = await Promise.all([ask("stats"), ask("channels", { glob }), ask("clients")]);
      const channels = (all as ChannelLine[]).filter(({ channel }) =>
        channel !== CONTROL_CHANNEL || glob === CONTROL_CHANNEL
      );
      const shown = new Set(channels.map(({ channel }) => channel));
      this.#model.take({
        now_ms: performance.now(),
        stats: stats as Stats,
        channels,
        clients: (clients as ClientInfo[]).filter(({ channel }) => shown.has(channel)),
      });
    } finally {
      this.#looking = false;
    }
  }

  async #readKeys(): Promise<void> {
    const buffer = new Uint8Array(256);
    for (let got; (got = await this.#io.stdin.read(buffer)) !== null;) {
      for (const key of keysOf(buffer.subarray(0, got))) {
        if (key === "interrupt") return this.#end.resolve(EXIT.INTERRUPTED);
        if (this.#asking === undefined) await this.#key(key);
        else this.#asking(key);
      }
      this.#draw();
    }
    this.#end.resolve(EXIT.OK);
  }

  async #key(key: string): Promise<void> {
    const model = this.#model, page = listRows(this.#style);
    this.#extra.message = undefined;
    const moves: Record<string, number> = {
      up: -1,
      down: 1,
      pageup: -page,
      pagedown: page,
      home: -Infinity,
      end: Infinity,
    };
    if (Object.hasOwn(moves, key)) return model.move(moves[key]!);
    if (key === "q") this.#end.resolve(EXIT.OK);
    else if (key === "tab") model.view = model.view === "channels" ? "clients" : "channels";
    else if (key === "s") model.sortNext(sortColumns(model.view));
    else if (key === "r") model.sorts[model.view].reversed = !model.sorts[model.view].reversed;
    else if (key === " ") this.#extra.paused = !this.#extra.paused;
    else if (key === "escape") model.filter = "";
    else if (key === "/") this.#askFilter();
    else if (key === "k") this.#askKick();
    else if (key === "enter") await this.#inspect();
  }

  #askFilter(): void {
    const model = this.#model, show = (): string => this.#extra.message = `only names that contain: ${model.filter}`;
    this.#asking = (key) => {
      if (key === "enter" || key === "escape") {
        if (key === "escape") model.filter = "";
        this.#extra.message = this.#asking = undefined;
        return;
      }
      if (key === "backspace") model.filter = [...model.filter].slice(0, -1).join("");
      else if ([...key].length === 1) model.filter += key;
      show();
    };
    show();
  }

  #askKick(): void {
    const { rows, view } = this.#model, row = rows[this.#model.chosen(rows)];
    if (view !== "clients" || row === undefined) {
      this.#extra.message = "Tab shows the clients: choose one there to close it";
      return;
    }
    this.#extra.message = `close client ${row.key} ${row.values["name"]} on ${row.values["channel"]}? y or n`;
    this.#asking = (key) => {
      this.#asking = undefined;
      this.#extra.message = undefined;
      if (key === "y") this.#guard(() => this.#kick(Number(row.key)));
    };
  }

  async #kick(client: number): Promise<void> {
    this.#extra.message = await this.#told(
      this.#control.invoke({ method: "kick", params: { client, reason: "ipc top" } }).then(() =>
        `closed client ${client}`
      ),
    );
    await this.#look();
    this.#draw();
  }

  async #inspect(): Promise<void> {
    const { rows, view } = this.#model, row = rows[this.#model.chosen(rows)];
    if (row === undefined) return;
    const ask = (method: string, channel: string) => this.#control.invoke({ method, params: { channel } });
    const text = view === "channels"
      ? ask("channel", row.key).then((found) => detailsText(found as ChannelDetails))
      : ask("clients", String(row.values["channel"])).then((found) => {
        const client = (found as ClientInfo[]).find(({ client }) => String(client) === row.key);
        if (client === undefined) return "this client has left\n";
        return `${clientsText([client])}\n${
          Object.entries(client).map(([name, value]) => `${name}  ${JSON.stringify(value)}\n`).join("")
        }`;
      });
    const lines = (await this.#told(text)).trimEnd().split("\n");
    this.#extra.details = { lines, from: 0 };
    this.#asking = (key) => {
      const details = this.#extra.details!, last = Math.max(0, lines.length - listRows(this.#style));
      if (["enter", "escape", "q"].includes(key)) this.#extra.details = this.#asking = undefined;
      else if (key === "down") details.from = Math.min(last, details.from + 1);
      else if (key === "up") details.from = Math.max(0, details.from - 1);
    };
  }

  /** What the broker refuses is said where it was asked, and is no end. */
  async #told(asked: Promise<string>): Promise<string> {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof IpcError && error.reason !== "CHANNEL_RECV") return error.message;
      throw error;
    }
  }
}
