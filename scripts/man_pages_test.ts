import assert from "node:assert/strict";
import { EXIT } from "../commands/exit_codes.ts";
import { VERBS } from "../commands/verbs.ts";
import { KEYS } from "../config/keys.ts";
import { MAN_MARK, manPages, writeManPages } from "./man_pages.ts";

/** Whether there is man; a system that was made small may have a man that only says that it has no pages. */
function noMan(): boolean {
  const command = 'printf \'.TH X 1\\n.SH NAME\\nx \\\\- y\\n\' >"$0"/x.1 && man -l "$0"/x.1 | grep -q NAME';
  const directory = Deno.makeTempDirSync();
  try {
    const { success } = new Deno.Command("/bin/sh", { args: ["-c", command, directory], stderr: "null" }).outputSync();
    if (!success) console.error("skipped, because there is no man(1)");
    return !success;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("manPages() has a page for each verb, and every option, key and exit code", async () => {
  const pages = new Map((await manPages()).map(({ path, text }) => [path, text]));
  const known = ["man1/ipc.1", "man5/ipc.toml.5", ...VERBS.map(({ name }) => `man1/ipc-${name}.1`)];
  assert.deepEqual([...pages.keys()], known);
  for (const text of pages.values()) assert.ok(text.startsWith(`${MAN_MARK}\n.TH `));
  for (const { name } of VERBS) assert.ok(pages.get("man1/ipc.1")!.includes(`\n.BR ipc\\-${name} (1)\n`));
  for (const code of Object.values(EXIT)) assert.ok(pages.get("man1/ipc.1")!.includes(`\n.B ${code}\n`));
  for (const key of KEYS) assert.ok(pages.get("man5/ipc.toml.5")!.includes(`\n.B ${key}\n`));
  assert.ok(pages.get("man1/ipc-send.1")!.includes("\n.B \\-l, \\-\\-lines\n"));
  assert.match(pages.get("man1/ipc-top.1")!, /\n\.SH KEYS\n[^]*\n\.B Tab\n/);
  assert.ok(!pages.get("man1/ipc-daemon.1")!.includes("print\\-permissions"), "what is hidden is shown");
});

Deno.test({
  name: "manPages() are pages that man shows without a warning",
  ignore: noMan(),
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      await writeManPages(directory);
      for (const { path } of await manPages()) {
        const { success, stdout, stderr } = await new Deno.Command("man", {
          args: ["--warnings=w", "-E", "UTF-8", "-l", `${directory}/${path}`],
          env: { MANWIDTH: "80", LC_ALL: "C.UTF-8", MANROFFSEQ: "" },
        }).output();
        assert.equal(new TextDecoder().decode(stderr), "", path);
        assert.ok(success, path);
        const text = new TextDecoder().decode(stdout);
        assert.match(text, /^NAME$/m, path);
        if (path === "man1/ipc-listen.1") {
          assert.match(text, /-F, --format <text>/);
          assert.ok(text.includes("\\n, \\t, \\0, \\\\"), text);
          assert.ok(text.includes("ipc listen --json 'sensor.*' | jq .data"), text);
        }
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
