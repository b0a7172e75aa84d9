/**
 * The first byte that a client sends chooses how the two talk. Each dialect is a file of this folder, and turns what it
 * reads into calls of the router.
 *
 * A client that says nothing at first is taken for somebody who only wants to see what comes, as `nc -U` does: a text
 * client that listens, until its first byte says otherwise.
 *
 * @module
 */
import { SILENCE_MS } from "../../protocol/limits.ts";
import { PREFACE } from "../../protocol/frame.ts";
import { gapFrame } from "../transport/entry.ts";
import type { Connection } from "../transport/connection.ts";
import { serveBinary } from "./binary.ts";
import { type Door, endAfter } from "./entrance.ts";
import { speaksJsonLines } from "./first_line.ts";
import { byeFrame } from "./frames.ts";
import { serveJsonLines } from "./json_lines.ts";
import { JSON_LINES } from "./json_lines_out.ts";
import type { Service } from "./service.ts";
import { serveSimpleIpc } from "./simple_ipc.ts";
import { joinText, serveText } from "./text.ts";
import { TextLanguage } from "./text_out.ts";
import type { TranslatingPeer } from "./translating_peer.ts";

export type { Door } from "./entrance.ts";
export { byeFrame } from "./frames.ts";
export type { Service } from "./service.ts";

/** Serves a connection until it ends. Never throws. */
type Dialect = (connection: Connection, door: Door, service: Service) => Promise<void>;

/** By first byte; everything else is text, and what begins with a brace may be. */
const DIALECTS: ReadonlyMap<number, Dialect> = new Map([
  [PREFACE[0]!, serveBinary],
  [0x00, serveSimpleIpc],
  [0x01, serveSimpleIpc],
]);
const BRACE = 0x7b;

/**
 * Serves a connection until it ends. Never throws, and resolves when the dialect is chosen: an idle connection should not
 * keep more waiting than it must.
 */
export async function serve(connection: Connection, door: Door, service: Service): Promise<void> {
  try {
    const got = await connection.readWithin(SILENCE_MS);
    if (got === false) return connection.finish();
    if (got) void serveSpeaking(connection, door, service);
    // Where it has to say a channel's name, or a token, silence leads nowhere.
    else if (door.channel === undefined || door.guarded) void serveLate(connection, door, service);
    else void serveSilent(connection, door, service);
  } catch (error) {
    endAfter(error, connection, undefined, service, byeFrame);
  }
}

/** Its first byte has come. */
function serveSpeaking(connection: Connection, door: Door, service: Service): Promise<void> {
  const first = connection.scanner.bytes[connection.scanner.start]!;
  if (first === BRACE) return serveBrace(connection, door, service);
  return (DIALECTS.get(first) ?? serveText)(connection, door, service);
}

async function serveLate(connection: Connection, door: Door, service: Service): Promise<void> {
  try {
    if (!await connection.read()) return connection.finish();
  } catch (error) {
    return endAfter(error, connection, undefined, service, byeFrame);
  }
  void serveSpeaking(connection, door, service);
}

/** A text client that only listens, until its first byte says otherwise. */
async function serveSilent(connection: Connection, door: Door, service: Service): Promise<void> {
  let listener: TranslatingPeer | undefined;
  try {
    listener = await joinText(connection, door, service, true);
    if (listener === undefined) return;
    if (!await connection.read()) {
      if (connection.open) await listener.finish();
      return;
    }
  } catch (error) {
    // Whoever said nothing for so long reads text, if anything.
    return endAfter(error, connection, listener, service, (listener?.language ?? new TextLanguage()).farewell);
  }
  const first = connection.scanner.bytes[connection.scanner.start]!, dialect = DIALECTS.get(first);
  if (first === BRACE) return void serveBrace(connection, door, service, listener);
  if (dialect === undefined) return void serveText(connection, door, service, listener);
  becomeStranger(listener, service);
  void dialect(connection, door, service);
}

/** What begins with a brace is JSON lines, or text. */
async function serveBrace(
  connection: Connection,
  door: Door,
  service: Service,
  listener?: TranslatingPeer,
): Promise<void> {
  let is_json: boolean | undefined;
  try {
    is_json = await speaksJsonLines(connection);
  } catch (error) {
    return endAfter(error, connection, listener, service, JSON_LINES.farewell);
  }
  if (is_json === undefined) {
    if (listener !== undefined) service.router.leave(listener.client);
    return connection.finish();
  }
  if (!is_json) return void serveText(connection, door, service, listener);
  if (listener !== undefined) becomeStranger(listener, service);
  void serveJsonLines(connection, door, service);
}

/** Takes back what was only thought of a silent connection. */
function becomeStranger(listener: TranslatingPeer, service: Service): void {
  const { client, connection } = listener;
  service.router.leave(client);
  connection.owner = undefined;
  connection.outbox.clear();
  connection.outbox.writeGap = gapFrame;
  service.estranged(connection);
}
