/**
 * JSON as it may be written, and nearly.
 *
 * @module
 */
import { NESTING_MAX } from "../../../protocol/limits.ts";
import { EDGES, mutated } from "../mutate.ts";
import type { Choices } from "../random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const SPACES = ["", "", "", " ", "\t", "\n", "\r\n", "  "];
const NUMBERS = [
  "0",
  "-0",
  "1",
  "-1",
  "0.5",
  "1e5",
  "1E-5",
  "1e+400",
  "-1.25e2",
  "9007199254740993",
  "4294967296",
  "1e",
];
const NOT_QUITE = [
  "01",
  "1.",
  ".5",
  "+1",
  "NaN",
  "tru",
  "nul",
  "undefined",
  "'a'",
  "-",
  "1e+",
  "0x1",
  "",
  "\ufeff1",
  "1 2",
];
const PIECES = [
  "a",
  "é",
  "€",
  "\u{1f600}",
  "\\n",
  '\\"',
  "\\\\",
  "\\/",
  "\\u0041",
  "\\ud83d\\ude00",
  "\\ud800",
  "\u007f",
];
const NOT_PIECES = ["\n", "\u0001", "\\x", "\\u00g0", "\\", "\\u12"];

const encoder = new TextEncoder();

/** Members that lines have, with values that they may and may not have. */
const TYPES = [
  "event",
  "request",
  "reply",
  "cancel",
  "roles",
  "ack",
  "ping",
  "pong",
  "bye",
  "hello",
  "welcome",
  "shout",
];
const MEMBERS = [
  ...["id", "target", "data", "encoding", "headers", "ack", "retain", "all", "more", "status", "error", "timeout_ms"],
  ...["listen", "handle", "presence", "overflow", "name", "pid", "echo", "token", "channel", "schema", "resume", "ipc"],
  ...["__proto__", "constructor", "toString"],
];

/** A JSON text. About every tenth is none. */
export function json(choices: Choices): Bytes {
  if (choices.oneIn(30)) return encoder.encode(deep(choices));
  const bytes = encoder.encode(space(choices) + value(choices, 0) + space(choices));
  return choices.oneIn(3) ? mutated(bytes, choices) : bytes;
}

/** A line of the dialect, right or nearly so. */
export function line(choices: Choices): Bytes {
  const parts: string[] = [], type = choices.pick(TYPES);
  if (!choices.oneIn(40)) parts.push(member(choices, "type", choices.oneIn(50) ? value(choices, 1) : `"${type}"`));
  if (type === "hello") parts.push(member(choices, "ipc", choices.pick(["1", "1", "1", "2", "1.0", '"1"', "true"])));
  for (let left = choices.size(6); left > 0; left--) {
    const name = choices.pick(MEMBERS);
    parts.splice(choices.below(parts.length + 1), 0, member(choices, name, memberValue(choices, name)));
  }
  const bytes = encoder.encode(`{${parts.join(`,${space(choices, true)}`)}}`);
  const all = choices.oneIn(4) ? mutated(bytes, choices) : bytes;
  // A line has no line end within.
  return all.map((byte) => byte === 0x0a ? 0x20 : byte);
}

function member(choices: Choices, name: string, value: string): string {
  const written = choices.oneIn(30)
    ? name.replaceAll(/[a-e]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
    : name;
  return `"${written}"${space(choices, true)}:${space(choices, true)}${value}`;
}

function memberValue(choices: Choices, name: string): string {
  if (choices.oneIn(12)) return choices.oneIn(4) ? deep(choices) : value(choices, 1);
  switch (name) {
    case "id":
    case "target":
    case "pid":
    case "status":
    case "timeout_ms":
      return choices.oneIn(4)
        ? String(choices.pick(EDGES))
        : choices.oneIn(6)
        ? choices.pick(NUMBERS)
        : String(choices.below(300));
    case "encoding":
      return choices.pick(['"base64"', '"base64"', '"structured"', '"rot13"']);
    case "data":
      return choices.oneIn(3) ? `"${choices.bytes(choices.size(30)).toBase64()}"` : value(choices, 1);
    case "headers":
    case "error":
    case "resume":
      return choices.oneIn(3) ? value(choices, 1) : choices.pick([
        '{"stream":"stderr"}',
        '{"code":7008,"message":"no","data":{"a":[1]}}',
        '{"epoch":"k3f","seq":41}',
        '{"__proto__":{"a":1}}',
        '{"code":0}',
      ]);
    case "overflow":
      return choices.pick(['"drop"', '"disconnect"', '"block"', '"all"']);
    case "name":
    case "token":
    case "channel":
    case "schema":
      return choices.pick(['"jobs"', '"a"', '"\\u0007"', `"${"n".repeat(65)}"`, '""', "1"]);
    default:
      return choices.pick(["true", "true", "false", "null", "1"]);
  }
}

function value(choices: Choices, depth: number): string {
  switch (choices.below(depth > 5 ? 6 : 10)) {
    case 0:
      return choices.pick(["true", "false", "null"]);
    case 1:
    case 2:
      return choices.oneIn(40) ? choices.pick(NOT_QUITE) : choices.pick(NUMBERS);
    case 3:
    case 4:
    case 5:
      return text(choices);
    case 6:
    case 7:
      return `[${list(choices, () => value(choices, depth + 1))}]`;
    default:
      return `{${
        list(choices, () => `${text(choices)}${space(choices)}:${space(choices)}${value(choices, depth + 1)}`)
      }}`;
  }
}

function list(choices: Choices, item: () => string): string {
  const count = choices.size(5), end = choices.oneIn(60) ? "," : "";
  return space(choices) + choices.many(count, item).join(`${space(choices)},${space(choices)}`) + space(choices) + end;
}

function text(choices: Choices): string {
  if (choices.oneIn(8)) return choices.pick(['"__proto__"', '"type"', '"a"']);
  const one = () => choices.oneIn(80) ? choices.pick(NOT_PIECES) : choices.pick(PIECES);
  return `"${choices.many(choices.size(choices.oneIn(20) ? 3000 : 12), one).join("")}"`;
}

/** As deep as it goes, or one deeper, or far too deep. */
function deep(choices: Choices): string {
  const depth = choices.oneIn(4) ? choices.size(100_000) : NESTING_MAX - 2 + choices.below(5);
  const [open, close] = choices.pick([["[", "]"], ['{"a":', "}"], ['[{"":', "}]"]]);
  const ends = choices.oneIn(4) ? choices.below(depth + 1) : depth;
  return open.repeat(depth) + choices.pick(["1", '""', "[]", ""]) + close.repeat(ends);
}

function space(choices: Choices, blank = false): string {
  const one = choices.pick(SPACES);
  return blank ? one.replaceAll(/[\r\n]/g, "") : one;
}
