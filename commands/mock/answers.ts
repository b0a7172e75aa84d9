/**
 * What `ipc mock` answers: a file with a JSON object on each line, of which the first that fits a request is its answer.
 * docs/tapes.md is the description for those who write one.
 *
 * @module
 */
import { channelGlob } from "../../protocol/channel_name.ts";
import { toJsonText } from "../../protocol/json_view.ts";
import { parseDuration } from "../../config/units.ts";
import { bytesIn, objectIn, shown } from "../text_lines.ts";

/** One line of the file. */
export interface MockAnswer {
  /** Whether it is the answer to a request with this payload. */
  fits(data: unknown): boolean;
  /** A text, bytes or what JSON can say. */
  reply: unknown;
  /** Exit status of the reply. */
  status: number;
  /** For the requester's standard error. */
  stderr: string;
  delay_ms: number;
}

/** What a line may have. */
const NAMES = ["is", "like", "glob", "reply", "base64", "status", "stderr", "delay"];

/**
 * Reads a line.
 *
 * @throws {RangeError} If it is not such a line, saying why.
 */
export function readMockAnswer(line: string): MockAnswer {
  const object = objectIn(line);
  for (const name of Object.keys(object)) {
    if (!NAMES.includes(name)) throw new RangeError(`"${name}" is unknown: there are ${NAMES.join(", ")}`);
  }
  const { status = 0, stderr = "", delay } = object;
  if (!Number.isInteger(status) || (status as number) < 0 || (status as number) > 255) {
    throw new RangeError(`its "status" is ${shown(status)}, not a whole number from 0 to 255`);
  }
  if (typeof stderr !== "string") throw new RangeError(`its "stderr" is ${shown(stderr)}, not a string`);
  return { fits: testOf(object), reply: replyOf(object), status: status as number, stderr, delay_ms: delayOf(delay) };
}

function delayOf(delay: unknown): number {
  if (delay === undefined) return 0;
  const delay_ms = typeof delay === "string" || typeof delay === "number" ? parseDuration(delay) : Infinity;
  if (delay_ms < Infinity) return delay_ms;
  throw new RangeError(`its "delay" is ${shown(delay)}, not a duration like "500ms"`);
}

function testOf(object: Record<string, unknown>): MockAnswer["fits"] {
  const tests = (["is", "like", "glob"] as const).filter((name) => Object.hasOwn(object, name));
  if (tests.length > 1) throw new RangeError(`it has both "${tests[0]}" and "${tests[1]}"`);
  const [test] = tests;
  if (test === undefined) return () => true;
  const wanted = object[test];
  if (test !== "glob") {
    const compare = test === "is" ? equal : contains;
    return (data) => [...views(data)].some((value) => compare(value, wanted));
  }
  if (typeof wanted !== "string") throw new RangeError(`its "glob" is ${shown(wanted)}, not a string`);
  const matches = channelGlob(wanted);
  return (data) => typeof data === "string" && matches(data);
}

/** What a payload can be taken for. Shells send JSON as text as often as not, so text that is JSON counts as both. */
function* views(data: unknown): Generator<unknown> {
  if (typeof data !== "string") return yield JSON.parse(toJsonText(data));
  yield data;
  try {
    yield JSON.parse(data);
  } catch { /* text and nothing else */ }
}

function equal(value: unknown, wanted: unknown): boolean {
  return covers(value, wanted, true);
}

/** Whether all that is wanted is there: of objects each named member, of arrays each item at its place. */
function contains(value: unknown, wanted: unknown): boolean {
  return covers(value, wanted, false);
}

function covers(value: unknown, wanted: unknown, exactly: boolean): boolean {
  if (typeof wanted !== "object" || wanted === null) return value === wanted;
  if (typeof value !== "object" || value === null || Array.isArray(value) !== Array.isArray(wanted)) return false;
  const names = Object.keys(wanted);
  if (exactly && Object.keys(value).length !== names.length) return false;
  return names.every((name) =>
    Object.hasOwn(value, name) &&
    covers((value as Record<string, unknown>)[name], (wanted as Record<string, unknown>)[name], exactly)
  );
}

function replyOf(object: Record<string, unknown>): unknown {
  if (!Object.hasOwn(object, "base64")) return Object.hasOwn(object, "reply") ? object.reply : "";
  if (Object.hasOwn(object, "reply")) throw new RangeError('it has both "reply" and "base64"');
  return bytesIn("base64", object.base64);
}
