import { lintLayers } from "./lint_layers.ts";

/** Files by path; what each test adds is laid over nothing, so that a finding has one cause. */
type Tree = Record<string, string>;

async function findings(tree: Tree, starts: Parameters<typeof lintLayers>[1] = []): Promise<string[]> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/deno.json`, '{"imports":{"msgpackr/pack":"npm:msgpackr@2/pack"}}');
    for (const [path, source] of Object.entries(tree)) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, source);
    }
    return await lintLayers(root, starts);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** Each expected text must be in the finding at its place, and there must be no other. */
function check(name: string, tree: Tree, expected: string[], starts: Parameters<typeof lintLayers>[1] = []): void {
  Deno.test(`lintLayers() ${name}`, async () => {
    const found = await findings(tree, starts);
    const same = found.length === expected.length && expected.every((text, at) => found[at]!.includes(text));
    if (!same) throw new Error(`found:\n${found.join("\n")}\nexpected:\n${expected.join("\n")}`);
  });
}

const EMPTY = "export {};\n";

check("takes imports downwards, inside a layer and in tests", {
  "protocol/frame.ts": EMPTY,
  "protocol/mod.ts": 'export * from "./frame.ts";\n',
  "protocol/structured_clone.ts": 'import "./frame.ts";\nexport * from "msgpackr/pack";\n',
  "client/mod.ts":
    'import "../protocol/mod.ts";\nexport const a = (): unknown => import("../protocol/structured_clone.ts");\n',
  "client/mod_test.ts": 'import "../daemon/mod.ts";\nimport "node:net";\nDeno.exit(await 1);\n',
  "daemon/registry.ts": EMPTY,
  "daemon/router/mod.ts": 'import "../registry.ts";\n',
  "daemon/transport/outbox.ts": 'import "../../protocol/frame.ts";\n',
  "daemon/dialects/binary.ts": 'import "../router/mod.ts";\nimport "../transport/outbox.ts";\n',
  "daemon/mod.ts": 'import "./dialects/binary.ts";\nimport "node:path";\n',
}, []);

check("names file, line, what is imported and the rule", {
  "daemon/transport/outbox.ts": EMPTY,
  "daemon/router/mod.ts": '// the hot path\nimport "../transport/outbox.ts";\n',
}, [
  'daemon/router/mod.ts:2: imports "../transport/outbox.ts" of daemon/transport, but daemon/router may import protocol, ',
]);

check("refuses imports upwards", {
  "protocol/a.ts": 'import "../client/mod.ts";\n',
  "client/mod.ts": 'import "../config/mod.ts";\n',
  "config/mod.ts": 'import "../daemon/mod.ts";\n',
  "daemon/control/ping.ts": 'import "../transport/a.ts";\n',
  "daemon/mod.ts": 'import "../commands/send.ts";\n',
  "daemon/transport/a.ts": 'import "../registry.ts";\n',
  "daemon/registry.ts": EMPTY,
  "commands/send.ts": EMPTY,
}, [
  "client/mod.ts:1: ",
  "config/mod.ts:1: ",
  "daemon/control/ping.ts:1: ",
  "daemon/mod.ts:1: ",
  "daemon/transport/a.ts:1: ",
  "protocol/a.ts:1: ",
]);

check("counts type-only and dynamic imports", {
  "protocol/a.ts":
    'import type { A } from "../client/a.ts";\nexport const a = (): unknown => import("../client/a.ts");\n' +
    "export type { A };\n",
  "protocol/b.ts": 'export type { A } from "../client/a.ts";\n',
  "client/a.ts": "export type A = 1;\n",
}, ["protocol/a.ts:", "protocol/b.ts:1"]);

check("lets commands load the daemon only when it is needed", {
  "commands/good.ts":
    'import type { A } from "../daemon/mod.ts";\nexport const a = (): unknown => import("../daemon/mod.ts");\nexport type { A };\n',
  "commands/wrong.ts": 'import "../daemon/mod.ts";\n',
  "commands/deep.ts": 'export const a = (): unknown => import("../daemon/router/mod.ts");\n',
  "daemon/mod.ts": "export type A = 1;\n",
  "daemon/router/mod.ts": EMPTY,
}, ["commands/deep.ts:1: ", "commands/wrong.ts:1: "]);

check("lets one file of protocol import msgpackr, and others load that only when it is needed", {
  "protocol/structured_clone.ts": 'import "msgpackr/pack";\n',
  "protocol/payload.ts": 'import "./structured_clone.ts";\n',
  "protocol/other.ts": 'import "msgpackr/pack";\n',
  "client/mod.ts": 'import "../protocol/structured_clone.ts";\n',
}, [
  "client/mod.ts:1: ",
  'protocol/other.ts:1: imports "msgpackr/pack", but protocol may import no package',
  "protocol/payload.ts:1: ",
]);

check("lets the daemon know only the types of config", {
  "config/a.ts": "export type A = 1;\nexport const a = 1;\n",
  "daemon/mod.ts": 'import type { A } from "../config/a.ts";\nexport type { A };\n',
  "daemon/lock.ts": 'import { a } from "../config/a.ts";\nexport { a };\n',
}, ['daemon/lock.ts:1: imports "../config/a.ts", but daemon/mod may only import types of config']);

check("refuses packages that a layer does not use", {
  "protocol/a.ts": 'import "node:fs";\n',
  "client/a.ts": 'import "npm:chalk@5";\n',
}, ['client/a.ts:1: imports "npm:chalk@5", but client may import no package', 'protocol/a.ts:1: imports "node:fs"']);

check("refuses what no layer knows", {
  "helpers.ts": EMPTY,
  "client/a.ts": 'import "../helpers.ts";\n',
}, ["client/a.ts:1: ", "helpers.ts:1: belongs to no layer"]);

check("refuses an import() of what only running tells", {
  "client/a.ts": "export const a = (path: string): unknown => import(path);\n",
}, ["client/a.ts:1: "]);

check("keeps Deno, waiting and clocks out of protocol", {
  "protocol/a.ts": [
    "// Deno.exit, await and Date.now in a comment",
    'export const text = "await Deno.env";',
    "export const a = Deno.pid;",
    "export async function b() {}",
    "export const c = Date.now();",
    "export const d = new Date();",
    "export const e = new Date(0);",
    "setTimeout(() => {});",
  ].join("\n"),
}, ["a.ts:3: ", "a.ts:4: ", "a.ts:5: ", "a.ts:6: ", "a.ts:8: "]);

check("keeps waiting out of the router and the daemon's data", {
  "daemon/router/requests.ts": "export const a = 1;\nawait a;\n",
  "daemon/router/events.ts": "for await (const a of []) a;\n",
  "daemon/history.ts": "export const a = async () => {};\n",
  "daemon/mod.ts": "await 1;\n",
}, ["daemon/history.ts:1: ", "daemon/router/events.ts:1: ", "daemon/router/requests.ts:2: "]);

check("lets only cli.ts end the process", {
  "cli.ts": "Deno.exit(0);\n",
  "client/a.ts": "Deno.exitCode = 1;\nDeno.exit(0);\n",
  "scripts/a.ts": "Deno.exit(0);\n",
  "commands/a.ts": "const { exit } = Deno;\nexit(0);\n",
}, ["client/a.ts:2: ", "commands/a.ts:1: "]);

check("lets cli.ts, commands and one file of client read the environment", {
  "cli.ts": "Deno.env.get('A');\n",
  "commands/io.ts": "Deno.env.get('A');\n",
  "client/a.ts": "Deno.env.get('A');\nDeno.env.get('B');\n",
  "client/b.ts": "Deno.env.get('A');\n",
  "config/a.ts": "Deno.env.get('A');\n",
}, ["client/b.ts:1: ", "config/a.ts:1: "]);

check(
  "tells the way to what a start must not load",
  {
    "cli.ts": 'import "./commands/a.ts";\nexport const b = (): unknown => import("./commands/b.ts");\n',
    "commands/a.ts": 'import "../config/a.ts";\n',
    "commands/b.ts": 'import "../config/a.ts";\n',
    "config/a.ts": EMPTY + 'import "valibot";\n',
    "deno.json": '{"imports":{"valibot":"npm:valibot@1"}}',
  },
  ['config/a.ts:2: imports "valibot", which the start of cli.ts must not load (cli.ts > commands/a.ts > config/a.ts)'],
  [{ file: "cli.ts", never: ["valibot"] }],
);

check("misses a start that is not there", {}, ["cli.ts:1: is named as a start"], [{ file: "cli.ts", never: [] }]);

check("names an import of a file that is not there", { "client/a.ts": 'import "./gone.ts";\n' }, [
  'client/a.ts:1: imports "./gone.ts", but there is no such file',
]);
