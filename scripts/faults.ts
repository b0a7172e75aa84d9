/**
 * Runs the proofs that take too long for `deno task ok`, and prints their figures as a table. With `--all` those of the
 * quick ones too, and with `--docs` all of them, into docs/reliability.md. What else is given are options of `deno test`.
 *
 * @module
 */
import { type Figure, FIGURES_FILE_VARIABLE, table } from "../tests/faults/figures.ts";

const PROJECT = new URL("../", import.meta.url).pathname;
/** Where proofs stand. A directory that is not there has none. */
const DIRECTORIES = ["tests/faults", "tests/systemd"];

/** Between these stands the table. */
const DOCS = `${PROJECT}docs/reliability.md`,
  BEGIN = "<!-- figures: deno task faults --docs -->",
  END = "<!-- figures end -->";
const OWN_OPTIONS = ["--all", "--docs"];

const docs = Deno.args.includes("--docs"),
  all = docs || Deno.args.includes("--all"),
  suffix = all ? /_(fault|test)\.ts$/ : /_fault\.ts$/;
const files = DIRECTORIES.flatMap((directory) =>
  names(directory).filter((name) => suffix.test(name))
    .map((name) => `${directory}/${name}`)
).sort();
if (files.length === 0) {
  console.error(`no proofs are to be found in ${DIRECTORIES.join(" or ")}`);
  Deno.exit(1);
}
const figures_file = Deno.makeTempFileSync({ prefix: "ipc-figures-" });
try {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...Deno.args.filter((arg) => !OWN_OPTIONS.includes(arg)), ...files],
    cwd: PROJECT,
    env: { [FIGURES_FILE_VARIABLE]: figures_file },
  }).spawn().status;
  const figures = Deno.readTextFileSync(figures_file).split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Figure);
  if (figures.length > 0) console.log(`\n${table(figures)}`);
  if (docs && code === 0) await writeDocs(table(figures));
  Deno.exitCode = code;
} finally {
  Deno.removeSync(figures_file);
}

function names(directory: string): string[] {
  try {
    return [...Deno.readDirSync(`${PROJECT}${directory}`)].filter(({ isFile }) => isFile).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function writeDocs(figures: string): Promise<void> {
  const page = Deno.readTextFileSync(DOCS), begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`Cannot put the figures into "${DOCS}": "${BEGIN}" and "${END}" are missing`);
  }
  const measured = `Measured on ${new Date().toISOString().slice(0, 10)} with Deno ${Deno.version.deno} on ` +
    `${navigator.hardwareConcurrency} processors.`;
  Deno.writeTextFileSync(DOCS, `${page.slice(0, begin)}${BEGIN}\n\n${measured}\n\n${figures}\n\n${page.slice(end)}`);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", DOCS] }).output();
}
