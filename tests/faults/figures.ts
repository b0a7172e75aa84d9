/**
 * The figures of the proofs. A test prints each when it has it; `deno task faults` gathers those of all tests into a table,
 * and with `--docs` puts it into docs/reliability.md.
 *
 * @module
 */

/** One of them. */
export interface Figure {
  /** The proof that it belongs to, as docs/reliability.md numbers them. */
  proof: number;
  /** What was measured. */
  what: string;
  measured: string;
  /** What it had to be. */
  required: string;
  /** The test's file. */
  file: string;
}

/** Names the file that the figures are added to, for {@linkcode figure}. */
export const FIGURES_FILE_VARIABLE = "FAULTS_FIGURES";

/** Prints a figure, and adds it to the table. */
export function figure(proof: number, what: string, measured: string, required: string): void {
  const file = fromFileUrl(Deno.mainModule), row: Figure = { proof, what, measured, required, file };
  console.log(`figure: ${line(row)}`);
  const figures_file = Deno.env.get(FIGURES_FILE_VARIABLE);
  if (figures_file !== undefined) Deno.writeTextFileSync(figures_file, `${JSON.stringify(row)}\n`, { append: true });
}

/** All figures as a table, in Markdown. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.toSorted((one, other) => one.proof - other.proof).map(line);
  return ["| proof | what | measured | required | in |", "| --- | --- | --- | --- | --- |", ...rows].join("\n");
}

/** So many bytes, for people. */
export function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function line({ proof, what, measured, required, file }: Figure): string {
  return `| ${proof} | ${cell(what)} | ${cell(measured)} | ${cell(required)} | \`${file}\` |`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function fromFileUrl(url: string): string {
  return url.slice(url.lastIndexOf("/tests/") + 1);
}
