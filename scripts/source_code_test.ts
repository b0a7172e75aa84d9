import { codeOnly, lineOf } from "./source_code.ts";

function check(name: string, source: string, expected: string): void {
  Deno.test(`codeOnly() ${name}`, () => {
    const code = codeOnly(source);
    if (code !== expected) throw new Error(`got ${JSON.stringify(code)}, expected ${JSON.stringify(expected)}`);
  });
}

check("blanks comments and keeps lines", "a // x\n/* y\n*/ b", "a     \n    \n   b");
check("blanks the insides of strings", `f("Deno.exit", 'a\\'b')`, `f("         ", '    ')`);
check("keeps what stands in a template's ${}", "`x ${await `y ${z}`} w`", "`  ${await `  ${z}`}  `");
check("finds the end of ${} behind braces", "`${{ a: {} }}x`; b", "`${{ a: {} }} `; b");
check("blanks regular expressions", "x = /[/'\"]/g; y", "x =        g; y");
check("takes a slash behind a value as division", "a / b; (c) / d; e++ / f; // g", "a / b; (c) / d; e++ / f;     ");
check("blanks the first line of a script", "#!/usr/bin/env -S deno\nx", "                      \nx");

Deno.test("codeOnly() keeps every offset of its own source", async () => {
  for (const file of ["source_code.ts", "lint_layers.ts"]) {
    const source = await Deno.readTextFile(new URL(file, import.meta.url));
    const code = codeOnly(source);
    if (code.length !== source.length) throw new Error(`${file}: ${code.length} for ${source.length} characters`);
    for (let at = 0; at < code.length; at++) {
      if (code[at] !== " " && code[at] !== source[at]) throw new Error(`${file}: differs at ${at}`);
    }
  }
});

for (const [what, source] of [["string", '"a\nb"'], ["comment", "/* a"], ["template", "`a ${b"]] as const) {
  Deno.test(`codeOnly() throws for a ${what} that does not end`, () => {
    try {
      codeOnly(source);
    } catch (error) {
      if (!(error as Error).message.includes(`${what} does not end`)) throw error;
      return;
    }
    throw new Error("did not throw");
  });
}

Deno.test("lineOf() counts from 1", () => {
  const lines = [0, 1, 2, 3, 4].map((at) => lineOf("a\nb\nc", at));
  if (lines.join() !== "1,1,2,2,3") throw new Error(lines.join());
});
