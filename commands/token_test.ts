import assert from "node:assert/strict";
import { readTokens } from "../config/tokens.ts";
import { dispatch } from "./dispatch.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import { memoryIo } from "./testing.ts";
import { TokenFile } from "./token/file.ts";

/** Runs `ipc token` in a directory of its own. */
async function inDirectory(test: (place: Place) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-token-" });
  try {
    Deno.writeTextFileSync(`${directory}/ipc.toml`, '[access]\ntoken_file = "tokens"\n', { mode: 0o600 });
    await test(new Place(directory));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

class Place {
  constructor(readonly directory: string) {}

  get tokens(): string {
    return `${this.directory}/tokens`;
  }

  async run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const env = { IPC_CONFIG: `${this.directory}/ipc.toml` };
    const io = memoryIo({ env });
    const code = await dispatch(["token", ...argv], io);
    return { code, stdout: io.stdout.text, stderr: io.stderr.text };
  }

  make(name: string, ...more: string[]) {
    return this.run("new", name, "-o", `${this.directory}/${name}.token`, ...more);
  }

  token(name: string): string {
    return Deno.readTextFileSync(`${this.directory}/${name}.token`);
  }

  modeOf(name: string): number {
    return Deno.statSync(`${this.directory}/${name}`).mode! & 0o777;
  }
}

async function hashOf(token: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token.trim()))).toHex();
}

Deno.test("ipc token new writes 256 random bits where only their owner reads them, and their hash for the broker", async () => {
  await inDirectory(async (place) => {
    const mask = Deno.umask(0);
    try {
      const { code, stdout, stderr } = await place.make("ci");
      assert.deepEqual([code, stdout], [0, ""], stderr);
      const token = place.token("ci");
      assert.match(token, /^[A-Za-z0-9_-]{43}\n$/);
      assert.equal(stderr.includes(token.trim()), false);
      assert.match(stderr, /token "ci" is in .*ci\.token, which only you can read; its hash is in .*tokens/);
      assert.match(stderr, /ipc daemon reload/);
      assert.deepEqual([place.modeOf("ci.token"), place.modeOf("tokens")], [0o600, 0o600]);
      assert.deepEqual(readTokens(place.tokens), [{ name: "ci", sha256: await hashOf(token) }]);
      await place.make("ops");
      assert.notEqual(place.token("ops"), token);
      assert.deepEqual(readTokens(place.tokens).map(({ name }) => name), ["ci", "ops"]);
    } finally {
      Deno.umask(mask);
    }
  });
});

Deno.test("ipc token new replaces no token and no file that nobody asked it to", async () => {
  await inDirectory(async (place) => {
    await place.make("ci");
    const before = Deno.readTextFileSync(place.tokens), token = place.token("ci");
    const again = await place.run("new", "ci", "-o", `${place.directory}/other`);
    assert.deepEqual([again.code, /--replace/.test(again.stderr)], [EXIT.NEGATIVE, true], again.stderr);
    const taken = await place.make("ci", "--replace");
    assert.deepEqual([taken.code, /it exists. Name another file with -o/.test(taken.stderr)], [
      EXIT.CONFIGURATION,
      true,
    ]);
    assert.deepEqual([Deno.readTextFileSync(place.tokens), place.token("ci")], [before, token]);
    assert.equal((await place.run("new", "ci", "--replace", "-o", `${place.directory}/other`)).code, 0);
    const fresh = Deno.readTextFileSync(`${place.directory}/other`);
    assert.deepEqual(readTokens(place.tokens), [{ name: "ci", sha256: await hashOf(fresh) }]);
  });
});

Deno.test("ipc token list names them; revoke takes them away, all of a name", async () => {
  await inDirectory(async (place) => {
    assert.deepEqual([(await place.run("list")).code, (await place.run("revoke", "a")).code], [78, 78]);
    for (const name of ["a", "b"]) await place.make(name);
    Deno.writeTextFileSync(place.tokens, `# kept\na:${"0".repeat(64)}\n`, { append: true });
    assert.equal((await place.run("list")).stdout, "a\nb\na\n");
    assert.equal((await place.run("list", "--json")).stdout, '{"name":"a"}\n{"name":"b"}\n{"name":"a"}\n');
    assert.equal((await place.run("revoke", "a")).code, 0);
    assert.match(Deno.readTextFileSync(place.tokens), /^# [^\n]*\nb:[0-9a-f]{64}\n# kept\n$/);
    const gone = await place.run("revoke", "a");
    assert.deepEqual([gone.code, /there is no token "a" in/.test(gone.stderr)], [EXIT.NEGATIVE, true]);
    assert.equal((await place.run("revoke", "b")).code, 0);
    assert.deepEqual(readTokens(place.tokens), [], "none, which is not the same as an empty file");
    assert.equal((await place.run("list")).stdout, "");
  });
});

Deno.test("ipc token revoke leaves a file that says that it is empty on purpose", async () => {
  await inDirectory(async (place) => {
    Deno.writeTextFileSync(place.tokens, `a:${"0".repeat(64)}`, { mode: 0o640 });
    assert.equal((await place.run("revoke", "a")).code, 0);
    assert.deepEqual(readTokens(place.tokens), []);
    assert.equal(place.modeOf("tokens"), 0o640);
  });
});

Deno.test("ipc token keeps owner and mode of the file, follows a link, and leaves nothing beside it", async () => {
  await inDirectory(async (place) => {
    const real = `${place.directory}/real`;
    Deno.mkdirSync(real);
    Deno.writeTextFileSync(`${real}/tokens`, "");
    Deno.chmodSync(`${real}/tokens`, 0o640);
    if (Deno.uid() === 0) Deno.chownSync(`${real}/tokens`, 0, 4242);
    Deno.symlinkSync(`${real}/tokens`, place.tokens);
    assert.equal((await place.make("a")).code, 0);
    const info = Deno.statSync(`${real}/tokens`);
    assert.deepEqual([info.mode! & 0o777, info.gid], [0o640, Deno.uid() === 0 ? 4242 : Deno.gid()]);
    assert.deepEqual([...Deno.readDirSync(real)].map(({ name }) => name), ["tokens"]);
    assert.equal(Deno.lstatSync(place.tokens).isSymlink, true);
  });
});

Deno.test("ipc token touches no file that is wrong, or that others may write to", async () => {
  await inDirectory(async (place) => {
    const cases = [["a:my-password\n", 0o600, /tokens:1: .*is not "name:hash"/], [
      `# x\n`,
      0o660,
      /its group may write/,
    ]] as const;
    for (const [text, mode, said] of cases) {
      Deno.writeTextFileSync(place.tokens, text);
      Deno.chmodSync(place.tokens, mode);
      const { code, stderr } = await place.make("b");
      assert.equal(code, EXIT.CONFIGURATION);
      assert.match(stderr, said);
      assert.equal(stderr.includes("my-password"), false);
      assert.equal(Deno.readTextFileSync(place.tokens), text);
      assert.throws(() => place.token("b"), Deno.errors.NotFound);
    }
  });
});

Deno.test("ipc token says what is missing: a name, a file, a configuration", async () => {
  await inDirectory(async (place) => {
    const rows: [string[], number, RegExp][] = [
      [[], 64, /missing required argument/],
      [["make", "a"], 64, /none of new, list, revoke/],
      [["new"], 64, /new needs a name/],
      [["revoke"], 64, /revoke needs a name/],
      [["list", "a"], 64, /list takes no name/],
      [["new", "a b"], 64, /"a b" cannot be the name of a token/],
      [["new", "a:b"], 64, /cannot be the name of a token/],
      [["new", "a*"], 64, /cannot be the name of a token/],
      [["new", "a", "-o", "-"], 64, /a token is not printed/],
      [["new", "a", "--file", "/no/such/directory/tokens"], 78, /cannot write the tokens to "\/no\/such/],
    ];
    for (const [argv, code, said] of rows) {
      const outcome = await place.run(...argv);
      assert.equal(outcome.code, code, `${argv}: ${outcome.stderr}`);
      assert.match(outcome.stderr, said);
      assert.equal(outcome.stdout, "");
    }
    Deno.writeTextFileSync(`${place.directory}/a.token`, "");
    assert.equal((await place.make("a")).code, 78);
    assert.throws(() => Deno.statSync(place.tokens), Deno.errors.NotFound);
    Deno.writeTextFileSync(`${place.directory}/ipc.toml`, "");
    const nowhere = await place.run("list");
    assert.deepEqual([nowhere.code, /set token_file in the table \[access\]/.test(nowhere.stderr)], [78, true]);
  });
});

Deno.test("TokenFile.change() loses nothing of what processes write at the same time", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-token-" }), path = `${directory}/tokens`;
  try {
    const program = `
      import { TokenFile } from ${JSON.stringify(new URL("token/file.ts", import.meta.url).href)};
      for (let n = 0; n < 20; n++) {
        new TokenFile(Deno.args[0]).change((lines) => [...lines, Deno.args[1] + "-" + n + ":" + "0".repeat(64)]);
      }`;
    Deno.writeTextFileSync(`${directory}/writer.ts`, program);
    const config = new URL("../deno.json", import.meta.url).pathname;
    const outcomes = await Promise.all(["a", "b", "c"].map((name) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "--config", config, `${directory}/writer.ts`, path, name],
      }).output()
    ));
    for (const { code, stderr } of outcomes) assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.equal(new Set(readTokens(path).map(({ name }) => name)).size, 60);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("TokenFile.change() changes nothing if the edit throws", () => {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-token-" }), path = `${directory}/tokens`;
  try {
    Deno.writeTextFileSync(path, "# mine\n");
    const edit = () => {
      throw new Failure(EXIT.NEGATIVE, "no");
    };
    assert.throws(() => new TokenFile(path).change(edit), /^Failure: no$/);
    assert.equal(Deno.readTextFileSync(path), "# mine\n");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
