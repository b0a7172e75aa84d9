/**
 * Logs to standard error through LogTape, as text or as JSON lines.
 *
 * The broker must never wait for whoever reads its log, nor hold what nobody reads: lines wait in a queue of at most
 * 1 MiB, and what does not fit, or could not be written (a disk that is full), is counted and reported as soon as there is
 * room.
 *
 * @module
 */
import { LOG_QUEUE_BYTES_MAX } from "../protocol/limits.ts";
import {
  configure,
  dispose,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
} from "@logtape/logtape";
import type { Log } from "./log.ts";

const LF = 0x0a;

/** Where the lines go; `Deno.stderr` in a real broker. */
export interface LogSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** How important a line is, the least first. */
const LEVELS = ["debug", "info", "warning", "error"] as const;

/** A name of {@linkcode LEVELS}. */
export type LogLevel = (typeof LEVELS)[number];

/** A log that can be closed. */
export interface OpenLog extends Log {
  /** Changes the lowest level that is written. */
  setLevel(level: LogLevel): void;
  /** Writes what waits, at most for a second, and stops. */
  close(): Promise<void>;
}

/**
 * Opens the log.
 *
 * @param options Lowest level that is written, and how a line looks.
 */
export async function openLog(
  options: { level: LogLevel; format: "text" | "json" },
  sink: LogSink = Deno.stderr,
): Promise<OpenLog> {
  const format = options.format === "json"
    ? getJsonLinesFormatter({ message: "template", properties: "nest:properties" })
    : text();
  const queue = new LineQueue(sink, (lines) =>
    format({
      category: ["ipcd"],
      level: "warning",
      timestamp: Date.now(),
      message: ["log lines were lost"],
      rawMessage: "log lines were lost",
      properties: { lines },
    }));
  await configure({
    reset: true,
    sinks: { lines: (record: LogRecord) => queue.push(format(record)) },
    loggers: [
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
      { category: "ipcd", lowestLevel: "debug", sinks: ["lines"] },
    ],
  });
  const logger = getLogger("ipcd");
  // Asked here and not of LogTape, where another level means to configure everything anew.
  let lowest = LEVELS.indexOf(options.level);
  const from = (level: LogLevel, write: Log["info"]): Log["info"] => {
    const rank = LEVELS.indexOf(level);
    return (message, properties) => {
      if (rank >= lowest) write(message, properties);
    };
  };
  return {
    debug: from("debug", (message, properties) => logger.debug(message, properties)),
    info: from("info", (message, properties) => logger.info(message, properties)),
    warning: from("warning", (message, properties) => logger.warn(message, properties)),
    error: from("error", (message, properties) => logger.error(message, properties)),
    setLevel: (level) => void (lowest = LEVELS.indexOf(level)),
    async close() {
      await queue.flushed();
      await dispose();
    },
  };
}

/** `2026-01-02T03:04:05.678Z info  client joined channel=deploys client=7` */
function text(): (record: LogRecord) => string {
  const head = getTextFormatter({
    timestamp: "rfc3339",
    level: "full",
    category: () => "",
    format: ({ timestamp, level, message }) => `${timestamp} ${level.toLowerCase().padEnd(7)} ${message}`,
  });
  return (record) => {
    const pairs = Object.entries(record.properties).map(([key, value]) => ` ${key}=${quoted(value)}`);
    return `${head(record).trimEnd()}${pairs.join("")}\n`;
  };
}

/** Names come from strangers: whatever could break or forge a line is escaped. */
function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "undefined";
  if (/^[\w./:@+-]+$/.test(text)) return text;
  // JSON leaves these as they are, but a terminal may take them for commands or ends of lines.
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

class LineQueue {
  readonly #sink: LogSink;
  /** Makes the line that says how many were lost. */
  readonly #notice: (lost: number) => string;
  #lines: string[] = [];
  #bytes = 0;
  #lost = 0;
  /** Whether the last line was cut off. */
  #torn = false;
  #writing: Promise<void> | undefined;

  constructor(sink: LogSink, notice: (lost: number) => string) {
    this.#sink = sink;
    this.#notice = notice;
  }

  push(line: string): void {
    if (this.#bytes + line.length > LOG_QUEUE_BYTES_MAX) {
      this.#lost++;
      return;
    }
    this.#lines.push(line);
    this.#bytes += line.length;
    this.#writing ??= this.#write();
  }

  async flushed(): Promise<void> {
    let timer;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, 1_000));
    await Promise.race([this.#writing, late]);
    clearTimeout(timer);
  }

  async #write(): Promise<void> {
    while (this.#lines.length > 0 || this.#lost > 0) {
      const lines = this.#lines, lost = this.#lost;
      // What was cut off there is not what the next line goes on with.
      const text = (this.#torn ? "\n" : "") + lines.join("") + (lost > 0 ? this.#notice(lost) : "");
      const bytes = new TextEncoder().encode(text);
      this.#lines = [];
      this.#lost = 0;
      let at = 0;
      try {
        while (at < bytes.length) at += await this.#sink.write(bytes.subarray(at));
        this.#torn = false;
      } catch {
        // The broker goes on without its log, and tries again with the next line.
        const whole = bytes.subarray(this.#torn ? 1 : 0, at).reduce((count, byte) => count + (byte === LF ? 1 : 0), 0);
        if (at > 0) this.#torn = bytes[at - 1] !== LF;
        this.#lost += lost + Math.max(0, lines.length - whole) + this.#lines.length;
        this.#lines = [];
        this.#bytes = 0;
        break;
      }
      this.#bytes = this.#lines.reduce((sum, line) => sum + line.length, 0);
    }
    this.#writing = undefined;
  }
}
