/**
 * The programs of docs/languages.md, and how each is run. They are taken out of the page, so that what people copy is what
 * the tests have seen working.
 *
 * @module
 */
import assert from "node:assert/strict";
import { installed } from "./program.ts";

const PAGE = Deno.readTextFileSync(new URL("../../docs/languages.md", import.meta.url));

/** One way to take part. */
export interface Example {
  name: string;
  /** Programs that have to be installed. */
  needs: readonly string[];
  /** Its name on the page, if it is there. */
  file?: string;
  /** Text clients cannot tell bytes from text, get no own error code, and are answered as events if nobody handles. */
  dialect: "text" | "json_lines" | "binary";
  /** What to run for a verb, apart from verb and channel. */
  command: (file: string) => readonly string[];
  /** Whether it says that its input has ended. */
  half_closes?: boolean;
}

/** All of them. `nc -U` is the one that is not on the page as a program: it cannot say that its input has ended. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "nc -U",
    needs: ["nc"],
    dialect: "text",
    command: () => ["sh", "-c", 'exec nc -U "$IPC_SOCKET_DIR/.deno.$1.socket"'],
  },
  {
    name: "nc -N -U",
    needs: ["nc", "jq"],
    file: "nc.sh",
    dialect: "text",
    command: (file) => ["sh", file],
    half_closes: true,
  },
  {
    name: "socat",
    needs: ["socat", "jq"],
    file: "socat.sh",
    dialect: "text",
    command: (file) => ["sh", file],
    half_closes: true,
  },
  { name: "python3", needs: ["python3"], file: "ipc.py", dialect: "json_lines", command: (file) => ["python3", file] },
  {
    name: "perl",
    needs: ["perl", "json_pp"],
    file: "ipc.pl",
    dialect: "json_lines",
    command: (file) => ["perl", file],
  },
  { name: "node", needs: ["node"], file: "ipc.mjs", dialect: "json_lines", command: (file) => ["node", file] },
  { name: "a C program", needs: ["cc"], file: "ipc.c", dialect: "binary", command: (file) => [`${file}.out`] },
];

/** A program of the page, by the file name that stands behind its language. */
export function source(file: string): string {
  const [, program] = PAGE.split(new RegExp(`^\`\`\`[a-z]+ (?:ignore )?${file.replace(".", "\\.")}\n`, "m"));
  return program?.split(/^```$/m)[0] ?? assert.fail(`docs/languages.md has no program ${file}`);
}

/** The commands in the page's text that begin with a word, without what is said about them. */
export function commands(begin: string): string[] {
  return [...PAGE.matchAll(/^ *```sh\n([^]*?)^ *```$/gm)].flatMap(([, block]) => block!.split("\n"))
    .map((line) => line.replace(/ +#.*$/, "").trim())
    .filter((line) => line.startsWith(begin));
}

/** Puts a program of the page into a directory, ready to run. */
export function build({ file }: Example, directory: string): string {
  if (file === undefined) return "";
  const path = `${directory}/${file}`;
  Deno.writeTextFileSync(path, source(file));
  if (!file.endsWith(".c")) return path;
  const args = ["-O2", "-Wall", "-Wextra", "-Werror", "-o", `${path}.out`, path];
  const { success, stderr } = new Deno.Command("cc", { args }).outputSync();
  assert(success, `the C program cannot be compiled: ${new TextDecoder().decode(stderr)}`);
  return path;
}

/** Whether all that it needs is there. */
export function canRun(example: Example): boolean {
  return example.needs.map(installed).every((there) => there);
}
