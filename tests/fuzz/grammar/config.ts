/**
 * Configuration files as somebody might write them, and files of tokens.
 *
 * @module
 */
import { CHANNEL_KEYS, KEYS } from "../../../config/keys.ts";
import type { Choices } from "../random.ts";

const STRANGE_NAMES = [
  "__proto__",
  "constructor",
  "toString",
  '"a b"',
  '""',
  '"\\u0000"',
  "hasOwnProperty",
  "queu",
  "log",
];
const CHANNELS = ["jobs", "deploys", "ipcd", '"a.b"', "__proto__", '"x/y"', '"-x"', "constructor", '"logs.*"'];
const VALUES = [
  ...[
    '"64KiB"',
    '"16MiB"',
    '"5s"',
    '"500ms"',
    "0",
    "1",
    "-1",
    "1.5",
    "true",
    "false",
    '"infinity"',
    "inf",
    "nan",
    "[]",
  ],
  ...['"block"', '"drop"', '"disconnect"', '"debug"', '"json"', '"/tmp/x"', '["logs.*", "a?"]', '["[a"]', '["logs/*"]'],
  ...[
    "{}",
    "{ a = 1 }",
    "1979-05-27T07:32:00Z",
    '"tcp://127.0.0.1:7410"',
    '"tls://0.0.0.0:0"',
    "0x7fffffff",
    '"""x"""',
  ],
  ...[
    '"127.0.0.1:7410"',
    '"127.0.0.1:0"',
    '"[::1]:7410"',
    '"0.0.0.0:7410"',
    '"localhost:99999"',
    '"/etc/x"',
    '"a.b:1"',
  ],
  ...[
    "9223372036854775807",
    "1e400",
    '"1000000h"',
    "'c:\\x'",
    '"0600"',
    "0o660",
    '["*"]',
    '["uid:1000"]',
    '"\\ud800"',
    "16MiB",
  ],
];
const SUBJECTS = [
  "*",
  "token:ops",
  "token:*",
  "name:test-*",
  "uid:1000",
  "gid:0",
  "uid:-1",
  "uid:4294967295",
  "x",
  "token:",
  "name:[",
];
const ACTIONS = ["send", "listen", "request", "handle", "see", "admin", "channels", "token_file", "required", "shout"];
const MORE_KEYS = ["tcp", "tcp", "tls.cert", "tls.key", "channel", "token_file", "tls", "name", "address", "mode"];
const UNITS = [
  "",
  "ms",
  "s",
  "m",
  "h",
  "b",
  "k",
  "kib",
  "KiB",
  "MiB",
  "GiB",
  "kB",
  "MB",
  "GB",
  "d",
  " s",
  "KIB",
  "\u017f",
];

/** A TOML document. */
export function toml(choices: Choices): string {
  const lines: string[] = [];
  for (let left = choices.size(8); left > 0; left--) lines.push(pair(choices, KEYS));
  if (choices.oneIn(30)) {
    lines.push(
      `${
        choices.pick([
          "channels",
          "listen",
          "log",
          "access",
          "quota",
          "access.rules",
          "access.required",
          "quota.tokens",
        ])
      } = ${choices.pick(VALUES)}`,
    );
  }
  if (choices.oneIn(30)) lines.push(`${choices.pick(["queue", "x"])} = ${deep(choices)}`);
  for (let left = choices.size(5); left > 0; left--) lines.push(...table(choices));
  const end = choices.oneIn(20) ? "\r\n" : "\n";
  return lines.join(end) + end;
}

/** Nesting is the file's choice. */
function deep(choices: Choices): string {
  const [open, close] = choices.pick([["[", "]"], ["{ a = ", " }"], ["[{ a = [", "] }]"]]),
    depth = choices.size(30_000);
  return open.repeat(depth) + "1" + close.repeat(choices.oneIn(3) ? 0 : depth);
}

function table(choices: Choices): string[] {
  const channel = choices.pick(CHANNELS);
  const [head, keys] = choices.pick<[head: string, keys: readonly string[]]>([
    ["[log]", ["level", "format"]],
    ["[quota]", ["connections", "queued", "requests", "channels"]],
    [choices.pick(["[quota.tokens.ops]", "[quota.tokens]"]), ["connections", "queued", "requests", "channels", "ops"]],
    ["[[listen]]", MORE_KEYS],
    ["[access]", ACTIONS],
    ["[[access.rules]]", ACTIONS],
    [`[channels.${channel}]`, CHANNEL_KEYS],
    [`[channels.${channel}.access]`, ACTIONS],
  ]);
  const one = () => keys === ACTIONS && !choices.oneIn(5) ? rule(choices) : pair(choices, keys);
  return [choices.oneIn(60) ? head.replace("s", "") : head, ...choices.many(choices.size(5), one)];
}

/** Who may do something. */
function rule(choices: Choices): string {
  const who = () => `[${choices.many(choices.size(4), () => `"${choices.pick(SUBJECTS)}"`).join(", ")}]`;
  const action = choices.pick(ACTIONS);
  if (action === "channels") {
    return `channels = ${choices.pick(['["logs.*"]', '["jobs", "a?"]', '["["]', "[]", '"x"'])}`;
  }
  const lists = choices.pick([
    `allow = ${who()}`,
    `deny = ${who()}`,
    `allow = ${who()}, deny = ${who()}`,
    `alow = ${who()}`,
    "",
  ]);
  return `${action} = { ${lists} }`;
}

function pair(choices: Choices, keys: readonly string[]): string {
  const key = choices.oneIn(20) ? choices.pick(STRANGE_NAMES) : choices.pick(keys);
  const said = choices.oneIn(4) ? `"${quantity(choices)}"` : choices.pick(VALUES);
  return `${choices.oneIn(30) ? "# " : ""}${key}${choices.pick([" = ", "=", " ="])}${said}`;
}

/** What might be a size or a duration. */
export function quantity(choices: Choices): string {
  const digits = () => choices.many(choices.size(18), () => String(choices.below(10))).join("");
  const number = choices.pick([
    () => String(choices.u32() % 10 ** (1 + choices.below(9))),
    () => `${digits()}.${digits()}`,
    digits,
    () =>
      choices.pick(["0", "infinity", "inf", "-1", "1e3", ".5", "1.", "0.0", "Infinity", "9007199254740992", "0x10"]),
  ])();
  return choices.pick(["", "", " "]) + number + choices.pick(UNITS) + choices.pick(["", "", " ", "\n"]);
}

/** A file of tokens. */
export function tokens(choices: Choices): string {
  const hash = () => choices.bytes(32).toHex();
  return choices.many(choices.size(8), () =>
    choices.pick([
      () => `build:${hash()}`,
      () => `Build.1-x:${hash().toUpperCase()}`,
      () => `  ci:${hash()}  `,
      () => "# comment",
      () => "",
      () =>
        choices.pick([
          `:${hash()}`,
          `a b:${hash()}`,
          `a:${hash().slice(1)}`,
          `a:b:${hash()}`,
          "secret",
          `__proto__:${hash()}`,
        ]),
    ])()).join(choices.pick(["\n", "\n", "\r\n", "\n\n"]));
}
