/**
 * Notices to people, on standard error. Text that came from somewhere else can hold control characters, which could
 * command the terminal that shows them; they are made visible first.
 *
 * @module
 */
import type { GapNotice, Notice } from "../client/mod.ts";
import { BrokenPipe, type Output, WriteError } from "./io.ts";

/** Tells people something: `ipc: ` and the text. */
export function notice(stderr: Output, text: string): void {
  writeNotice(stderr, `ipc: ${text.split("\n").map(printable).join("\n")}\n`);
}

/** Writes text of our own as it is. That nobody reads standard error is no reason to fail. */
export function writeNotice(stderr: Output, data: string | Uint8Array): void {
  try {
    stderr.write(data);
  } catch (error) {
    if (!(error instanceof BrokenPipe || error instanceof WriteError)) throw error;
  }
}

/** The same text with every control character as `\x1b` and the like, line ends included. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what it looks for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** Tells people what a channel has to say beside messages. */
export function noticesOf(channel: string, stderr: Output): (notice: Notice) => void {
  return (about) => {
    if (about.type === "gap") notice(stderr, `${channel}: ${describeGap(about)}`);
    else if (about.type === "error") notice(stderr, `${channel}: ${about.error.message}`);
    else if (about.type === "disconnected") {
      notice(stderr, `${channel}: connection lost, connecting again: ${about.error.message}`);
    } else if (about.type === "fallback") {
      notice(stderr, `${channel}: there are no unix sockets on this system; using ${about.url}`);
    } else notice(stderr, `${channel}: connected again${about.restarted ? " to a broker that was restarted" : ""}`);
  };
}

/** A gap in words. */
export function describeGap({ from, to, reason, direct }: GapNotice): string {
  const events = from === 0
    ? ""
    : to === null
    ? `events from ${from} on`
    : from === to
    ? `event ${from}`
    : `${to - from + 1} events (${from} to ${to})`;
  const all = [events, direct === undefined ? "" : `${direct} direct event${direct === 1 ? "" : "s"}`].filter((text) =>
    text !== ""
  );
  return `missed ${all.join(" and ")}: ${reason}`;
}
