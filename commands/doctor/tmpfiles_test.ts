import assert from "node:assert/strict";
import { checkTmpfiles } from "./tmpfiles.ts";

/** What is found where files of rules say this, the first directory's first. */
function found(socket_dir: string, ...directories: Record<string, string>[]): string[] {
  const root = Deno.makeTempDirSync({ prefix: "ipc-tmpfiles-" });
  try {
    const paths = directories.map((files, at) => {
      Deno.mkdirSync(`${root}/${at}`);
      for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${root}/${at}/${name}`, text);
      return `${root}/${at}`;
    });
    return [...checkTmpfiles(socket_dir, [...paths, `${root}/missing`])].map(({ what }) => what.replaceAll(root, ""));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const AGES = "# comment\n\nq /tmp 1777 root root 10d\n";

Deno.test("checkTmpfiles() finds a rule that ages the socket directory", () => {
  assert.match(
    found("/tmp", { "tmp.conf": AGES }).join(),
    /^\/0\/tmp\.conf has what is older than 10d removed from \/tmp\./,
  );
  assert.equal(found("/tmp/own", { "tmp.conf": AGES }).length, 1);
  assert.equal(found("/tmp", { "tmp.conf": "q /tmp 1777 root root -\nD /tmp 1777 root root\n" }).length, 0);
  assert.equal(found("/run/ipc", { "tmp.conf": AGES }).length, 0);
  assert.equal(found("/tmpfs", { "tmp.conf": AGES }).length, 0);
  assert.equal(found("/tmp", { "tmp.conf~": AGES }).length, 0);
});

Deno.test("checkTmpfiles() is content where the sockets are spared, or another file takes the rule's place", () => {
  const spare = (line: string) => found("/tmp", { "ipc.conf": line }, { "tmp.conf": AGES }).length;
  assert.equal(spare("x /tmp/.deno.*.socket"), 0);
  assert.equal(spare("x /tmp/.deno.*"), 0);
  assert.equal(spare("x /tmp"), 0);
  assert.equal(spare("X /tmp"), 1);
  assert.equal(spare("x /tmp/other*"), 1);
  assert.equal(found("/tmp", { "tmp.conf": "" }, { "tmp.conf": AGES }).length, 0);
});
