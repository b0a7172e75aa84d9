import assert from "node:assert/strict";
import { connect } from "../../client/mod.ts";
import { CliSandbox } from "./sandbox.ts";

const encoder = new TextEncoder();

/** UTF-8, with lone surrogates U+DC80 to U+DCFF for bytes that are none. */
function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...text].flatMap((character) => {
    const code = character.charCodeAt(0);
    return character.length === 1 && code >= 0xdc80 && code <= 0xdcff
      ? [code - 0xdc00]
      : [...encoder.encode(character)];
  }));
}

/** In the order in which they are sent. */
const PAYLOADS = [
  "hello",
  "",
  "a\nb\n\n",
  "nul\0, cr\r\n",
  "\udcff\udcfe no text",
  "東京 e\u0301te\u0301 🚀!",
  '{"n":1}',
  "\x1b[1mbold\x1b[0m",
];

/** What each format makes of them. Sender and time are not the same each time: both are taken out. */
const GOLDEN: readonly (readonly [options: string, lines: readonly string[]])[] = [
  ["", PAYLOADS.map((payload) => `${payload}\n`)],
  ["-0", PAYLOADS.map((payload) => `${payload}\0`)],
  ["--raw", PAYLOADS],
  ["-F %p", PAYLOADS.map((payload) => `${payload}\n`)],
  ["-0 -F '%c %b %p'", PAYLOADS.map((payload) => `x ${bytes(payload).length} ${payload}\0`)],
  [
    "-F '[%4c|%-4c|%3s|%p|%%|\\t|%t{%%}]'",
    PAYLOADS.map((payload, at) => `[   x|x   |  ${at + 1}|${payload}|%|\t|%]\n`),
  ],
  ["-F '%-6.6p|%6.3p|%.0p'", [
    "hello |   hel|\n",
    "      |      |\n",
    "a\nb\n\n    |    a\nb\n\n|\n",
    "nul\0, c|   nul|\n",
    "\udcff\udcfe no |   \udcff\udcfe |\n",
    "東京 e\u0301|    東|\n",
    '{"n":1|   {"n|\n',
    "\x1b[1mbol|   \x1b[1m|\n",
  ]],
  [
    "--json",
    [
      '"hello"',
      '""',
      '"a\\nb\\n\\n"',
      '"nul\\u0000, cr\\r\\n"',
      '{"encoding":"base64","data":"//4gbm8gdGV4dA=="}',
      '"東京 e\u0301te\u0301 🚀!"',
      '"{\\"n\\":1}"',
      '"\\u001b[1mbold\\u001b[0m"',
    ].map((data, at) =>
      `{"type":"event","channel":"x","seq":${at + 1},"source":S,"name":"","time":T,"data":${data}}\n`
    ),
  ],
];

/** Runs a line on a terminal of its own; what is written there goes to the file `got`. */
function terminal(line: string): string {
  return `script -qec '${line.replaceAll("'", "'\\''")}' /dev/null </dev/null >got`;
}

/** Takes out what differs from one time to the next. */
function settled(output: Uint8Array): string {
  let text = "";
  for (const byte of output) text += String.fromCharCode(byte);
  return text.replaceAll(/"source":\d+/g, '"source":S').replaceAll(/"time":"[^"]*"/g, '"time":T');
}

Deno.test("ipc listen prints each format as ever, the same in a pipe and on any terminal", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  for (const payload of PAYLOADS) assert.equal((await cli.sh("ipc send x", { stdin: bytes(payload) })).code, 0);
  for (const [options, lines] of GOLDEN) {
    const line = `ipc listen --last ${PAYLOADS.length} -n ${PAYLOADS.length} ${options} x`;
    const expected = settled(bytes(lines.join("")));
    for (
      const [where, command] of [
        ["pipe", `${line} | cat >got`],
        ["file, no colour", `NO_COLOR=1 ${line} >got`],
        ["terminal of 40 columns", terminal(`stty cols 40 -opost; ${line}`)],
        ["dumb terminal of 200 columns", `export TERM=dumb; ${terminal(`stty cols 200 -opost; ${line}`)}`],
        ["terminal without colour", `export NO_COLOR=1; ${terminal(`stty -opost; ${line}`)}`],
      ] as const
    ) {
      const { code, stderr } = await cli.sh(command);
      assert.deepEqual([code, stderr], [0, ""], `${options}: ${where}`);
      assert.equal(settled(Deno.readFileSync(`${cli.directory}/got`)), expected, `${options}: ${where}`);
    }
  }
});

Deno.test("ipc listen -F shows times in the zone of the environment", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start; ipc send --retain x hello");
  const { stdout } = await cli.sh("TZ=Asia/Kathmandu ipc listen -n 1 -F '%8t{%z}|%t{%s}' x");
  const [zone, seconds] = stdout.split("|");
  assert.equal(zone, "   +0545");
  assert.ok(Math.abs(Number(seconds) * 1000 - Date.now()) < 60_000);
});

Deno.test("ipc listen prints a payload of 16 MiB in each format", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const size = 16 * 1024 * 1024, random = (_: unknown, at: number) => at % 7 === 0 ? 0xff : at * 31 % 251;
  const sent = Uint8Array.from({ length: size }, random);
  Deno.writeFileSync(`${cli.directory}/sent`, sent);
  const listeners = [];
  for (
    const [name, options] of [
      ["plain", ""],
      ["null", "-0"],
      ["raw", "--raw"],
      ["json", "--json"],
      ["format", "-F '%c %b %p|'"],
      ["padded", "-F '%-9999p|'"],
      ["cut", "-F '%.12p|'"],
      ["where", "--where '!@' --raw"],
      ["exec", "--exec 'cat >exec'"],
    ] as const
  ) {
    const to = name === "exec" ? "" : `>${name}`;
    Deno.writeTextFileSync(`${cli.directory}/${name}.sh`, `exec ipc listen -n 1 --ready-fd 2 ${options} x ${to}`);
    const listener = cli.start(`sh ${name}.sh`);
    await listener.says("subscribed");
    listeners.push(listener);
  }
  assert.equal((await cli.sh("ipc send --bytes x <sent")).code, 0);
  for (const listener of listeners) assert.equal(await listener.exit(60_000), 0, listener.stderr);
  const files = "plain null raw format padded where exec".split(" ");
  const tails: Record<string, string> = { plain: "\\n", null: "\\0", format: "|\\n", padded: "|\\n" };
  for (const name of files) {
    const made = `{ printf '${name === "format" ? `x ${size} ` : ""}'; cat sent; printf '${tails[name] ?? ""}'; }`;
    assert.equal((await cli.sh(`${made} | cmp - ${name}`)).stderr, "", name);
  }
  const cut = Deno.readFileSync(`${cli.directory}/cut`);
  assert.deepEqual(cut.subarray(0, 8), sent.subarray(0, 8));
  assert.equal(new TextDecoder().decode(cut.subarray(-2)), "|\n");
  const { data } = JSON.parse(Deno.readTextFileSync(`${cli.directory}/json`));
  assert.equal(data.encoding, "base64");
  Deno.writeTextFileSync(`${cli.directory}/base64`, data.data);
  assert.equal((await cli.sh("base64 -d base64 | cmp - sent")).stderr, "");
});

/** Whether there is a terminal that says where its cursor is. */
const TMUX = new Deno.Command("sh", { args: ["-c", "command -v tmux"] }).outputSync().success;
if (!TMUX) console.error("tests/cli/formats_test.ts: without tmux, no columns are compared with a terminal's");

Deno.test({
  name: "ipc listen makes columns that are as wide on a terminal of 40 or 200 columns",
  ignore: !TMUX,
  async fn() {
    await using cli = new CliSandbox();
    await cli.sh("ipc daemon start");
    const texts = [
      "plain",
      "a longer text",
      "東京",
      "東京東京東京",
      "e\u0301te\u0301",
      "x🚀y",
      "ｆｕｌｌ ",
      "한국어 café",
      "\u0e01\u0e33\u0e48",
    ];
    for (const text of texts) await cli.sh("ipc send x", { stdin: bytes(text) });
    for (const columns of [40, 200]) {
      for (const [at, text] of texts.entries()) {
        const tmux = `tmux -u -S "${cli.directory}/tmux ${columns} ${at}" -f /dev/null`;
        const line = `ipc listen --since ${at} -n 1 -0 -F '%-9.9p%4s' x; touch done; exec sleep 100`;
        Deno.writeTextFileSync(`${cli.directory}/show.sh`, line);
        try {
          await cli.sh(`rm -f done; ${tmux} new-session -d -x ${columns} -y 10 sh show.sh`);
          // It shows what was written when it comes to it.
          const { stdout } = await cli.sh(`until [ -e done ]; do sleep 0.02; done; for _ in $(seq 100); do
            at=$(${tmux} display-message -p '#{cursor_x}'); [ "$at" = 13 ] && break; sleep 0.05; done; echo $at`);
          assert.equal(stdout, "13\n", `${JSON.stringify(text)} on ${columns} columns`);
        } finally {
          await cli.sh(`${tmux} kill-server`);
        }
      }
    }
  },
});

Deno.test("ipc listen prints what programs send as JSON, whatever asks for it first", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  await using channel = await connect("x", { socket_dir: cli.socket_dir });
  const at = new Date(0), line = '{"n":1,"at":"1970-01-01T00:00:00.000Z"}';
  for (
    const [options, expected] of [
      ["", `${line}\n`],
      ["-F '%-40.40p|%b'", /^\{"n":1,"at":"1970-01-01T00:00:00\.000Z"\} \|\d+\n$/],
      ["--where '@.n == 1'", `${line}\n`],
      ["--where '@.n == 1' -- cat", line],
      ["--where '@.n == 1' --coalesce -- cat", line],
    ] as const
  ) {
    const [own, command = ""] = options.split("-- ");
    Deno.writeTextFileSync(
      `${cli.directory}/listen.sh`,
      `exec ipc listen -n 1 --ready-fd 2 ${own} x ${command && `-- ${command}`} >got`,
    );
    const listener = cli.start("sh listen.sh");
    await listener.says("subscribed");
    for (const n of [0, 1]) {
      if (n === 1 || options.includes("where")) {
        await channel.broadcast(new Map<string, unknown>([["n", n], ["at", at]]));
      }
    }
    await channel.flush();
    assert.equal(await listener.exit(), 0);
    const got = Deno.readTextFileSync(`${cli.directory}/got`);
    if (typeof expected === "string") assert.equal(got, expected, options);
    else assert.match(got, expected, options);
  }
});
