import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { channelGlob, checkChannelName, isChannelName, isGlob } from "./channel_name.ts";
import { IpcError } from "./errors.ts";

function isNameError(error: unknown): boolean {
  return error instanceof IpcError && error.reason === "CHANNEL_NAME";
}

Deno.test("checkChannelName() takes names and refuses what could be something else in a path or a shell", () => {
  for (const name of ["a", "_", "7", "deploys.eu-1", "A_b.c-d", "x".repeat(64)]) {
    assert.equal(checkChannelName(name), name);
  }
  const wrong = ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "\na", "ä", "a\0", "x".repeat(65), "*"];
  for (const name of wrong) {
    assert.equal(isChannelName(name), false, JSON.stringify(name));
    assert.throws(() => checkChannelName(name), isNameError);
  }
});

Deno.test("channelGlob() matches as a shell does", () => {
  const table: [glob: string, yes: string[], no: string[]][] = [
    ["a", ["a"], ["b", "aa", ""]],
    ["*", ["", "a", "a.b"], []],
    ["a*", ["a", "ab", "a.b"], ["ba", ""]],
    ["*b", ["b", "ab", "bb"], ["ba"]],
    ["a*b*c", ["abc", "aXbXc", "abcbc"], ["abcb", "acb"]],
    ["a**b", ["ab", "axb"], ["a"]],
    ["a?c", ["abc"], ["ac", "abbc"]],
    ["[ab]", ["a", "b"], ["c", "ab"]],
    ["[a-c]x", ["ax", "cx"], ["dx"]],
    ["[!a-c]x", ["dx"], ["ax", "x"]],
    ["[^a]", ["b"], ["a"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[]a]", ["]", "a"], ["b"]],
    ["[!]a]", ["b"], ["]", "a"]],
    ["logs.*", ["logs.", "logs.web"], ["logs", "logsXweb"]],
  ];
  for (const [glob, yes, no] of table) {
    for (const name of yes) assert.equal(channelGlob(glob)(name), true, `${glob} ${name}`);
    for (const name of no) assert.equal(channelGlob(glob)(name), false, `${glob} ${name}`);
  }
});

Deno.test("channelGlob() refuses a set without its end and a glob over 256 characters", () => {
  for (const glob of ["[", "[a", "[]", "[!]", "a[b", "*".repeat(257)]) {
    assert.throws(() => channelGlob(glob), isNameError);
  }
});

Deno.test("channelGlob() agrees with a regular expression on random globs", () => {
  const glob = fc.array(fc.constantFrom("a", "b", ".", "*", "?", "[ab]", "[!b]"), { maxLength: 8 });
  const name = fc.array(fc.constantFrom("a", "b", "."), { maxLength: 12 }).map((letters) => letters.join(""));
  const same: Record<string, string> = { "*": ".*", "?": ".", ".": "\\.", "[!b]": "[^b]" };
  checkRandomly(
    fc.property(glob, name, (glob, name) => {
      const source = glob.map((part) => same[part] ?? part).join("");
      assert.equal(channelGlob(glob.join(""))(name), new RegExp(`^${source}$`, "s").test(name));
    }),
    2000,
  );
});

Deno.test("channelGlob() takes at most name x glob steps, whatever the glob", () => {
  const name = "a".repeat(64);
  for (
    const glob of ["*a".repeat(127) + "*b", "a*".repeat(128), "*".repeat(256), "*?".repeat(128), "*[ab]".repeat(51)]
  ) {
    let looks = 0;
    const counted = new Proxy(Object(name), {
      get(target, key) {
        looks++;
        return Reflect.get(target, key);
      },
    }) as string;
    channelGlob(glob)(counted);
    assert.ok(looks <= 3 * name.length * glob.length, `${glob} looked ${looks} times`);
  }
});

Deno.test("isGlob() tells globs from names", () => {
  for (const glob of ["*", "a?", "[a]"]) assert.equal(isGlob(glob), true);
  assert.equal(isGlob("deploys.eu-1"), false);
});
