/**
 * Makes the manual pages: `ipc.1`, a page for each verb, and `ipc.toml.5`. All that they say is said by the verbs' own
 * parsers and by the tables that the program goes by.
 *
 *     deno run -A scripts/man_pages.ts DIRECTORY
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { argumentText, optionsOf, parserBeforeVerb, parserOf } from "../commands/described.ts";
import { EXIT_MEANINGS, OTHER_CODES } from "../commands/help/exit_meanings.ts";
import { OTHER_VARIABLES } from "../commands/help/variables.ts";
import {
  defaultText,
  type DescribedArgument,
  type DescribedOption,
  type DescribedParser,
  examplesOf,
  keysOf,
} from "../commands/verb.ts";
import { type VerbEntry, VERBS } from "../commands/verbs.ts";
import { CHANNEL_KEYS, defaultValues, type Key, KEYS, QUOTA_KEYS, variableOf } from "../config/keys.ts";
import { MEANINGS, writtenValue } from "../config/meanings.ts";

/** The first line of a page that was made here. */
export const MAN_MARK = ".\\\" Made by ipc's scripts/man_pages.ts.";

/** A page: where it goes below a directory of manuals, and its text. */
export interface ManPage {
  /** `man1/ipc-send.1` */
  path: string;
  text: string;
}

/** All pages. */
export async function manPages(): Promise<ManPage[]> {
  const pages = [page("ipc", 1, overview()), page("ipc.toml", 5, configuration())];
  for (const entry of VERBS) pages.push(page(`ipc-${entry.name}`, 1, ofVerb(entry, await parserOf(entry))));
  return pages;
}

/** Writes all pages below a directory. */
export async function writeManPages(directory: string): Promise<void> {
  for (const { path, text } of await manPages()) {
    const file = `${directory}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, text, { mode: 0o644 });
  }
}

function page(name: string, section: number, body: string): ManPage {
  const heading = `.TH ${quoted(name.toUpperCase())} ${section} "" ${quoted(`ipc ${config.version}`)}`;
  return { path: `man${section}/${name}.${section}`, text: `${MAN_MARK}\n${heading}\n${body}` };
}

function overview(): string {
  const parser = parserBeforeVerb();
  return [
    section("NAME", `ipc \\- ${roff("processes of one machine talk: events, requests and replies")}`),
    section("SYNOPSIS", `.B ipc\n${roff("[options] <verb> [arguments]")}`),
    section("DESCRIPTION", roff(parser.description())),
    section("OPTIONS", optionsOf(parser).map(optionItem).join("")),
    section("VERBS", VERBS.map(({ name, summary }) => item(`.BR ipc\\-${name} (1)`, summary)).join("")),
    section(
      "EXIT STATUS",
      EXIT_MEANINGS.map(([code, meaning]) => item(`.B ${code}`, meaning)).join("") + `.PP\n${roff(OTHER_CODES)}`,
    ),
    section(
      "ENVIRONMENT",
      OTHER_VARIABLES.map(([name, meaning]) => item(`.B ${name}`, meaning)).join("") +
        `.PP\n${roff("Every key of the configuration has a variable, too:")}\n.BR ipc.toml (5).`,
    ),
    section("FILES", FILES),
    examples(parser),
    section("SEE ALSO", ".BR ipc.toml (5)"),
  ].join("");
}

function ofVerb({ name, summary }: VerbEntry, parser: DescribedParser): string {
  return [
    section("NAME", `ipc\\-${name} \\- ${roff(summary)}`),
    section("SYNOPSIS", `.B ipc ${name}\n${roff(parser.usage())}`),
    section("DESCRIPTION", roff(parser.description())),
    section("ARGUMENTS", parser.registeredArguments.map(argumentItem).join("")),
    section("OPTIONS", optionsOf(parser).map(optionItem).join("")),
    section("KEYS", keysOf(parser).map(([keys, meaning]) => item(`.B ${roff(keys)}`, meaning)).join("")),
    section("EXIT STATUS", `${roff("0 if it was done. All codes are in")}\n.BR ipc (1).`),
    examples(parser),
    section("SEE ALSO", ".BR ipc (1),\n.BR ipc.toml (5)"),
  ].join("");
}

function configuration(): string {
  const defaults = defaultValues("linux");
  const keys = KEYS.map((key) => item(`.B ${roff(key)}`, keyText(key, writtenValue(key, defaults[key]))));
  return [
    section("NAME", "ipc.toml \\- configuration of ipc and its broker"),
    section(
      "DESCRIPTION",
      roff(
        "A file in TOML. Where several set a key, options before the verb win over variables of the environment, those " +
          "over the profile, that over the project's file, that over the user's and that over the machine's. Nothing has to be configured. A " +
          "key with a dot stands in a table: log.level is level in [log].",
      ),
    ),
    section("KEYS", keys.join("")),
    section(
      "TABLES",
      item(".B [channels.NAME]", `what is different for a channel: ${CHANNEL_KEYS.join(", ")}`) +
        item(
          ".B [quota.tokens.NAME]",
          `what is different for a token: ${QUOTA_KEYS.map((key) => key.slice("quota.".length)).join(", ")}`,
        ) +
        item(".B [access], [[access.rules]], [channels.NAME.access]", "who may do what") +
        item(".B [[listen]]", "an address on the network"),
    ),
    section("FILES", FILES),
    section("SEE ALSO", ".BR ipc (1),\n.BR ipc\\-config (1)"),
  ].join("");
}

function keyText(key: Key, written: string): string {
  return `${MEANINGS[key].text}. Default: ${written}. Variable: ${variableOf(key)}.`;
}

const FILES = item(".I ipc.toml", "the project's, in the working directory or one above it") +
  item(".I \\(ti/.config/ipc/config.toml", "your own; in $XDG_CONFIG_HOME if that is set") +
  item(".I /etc/ipc/config.toml", "the machine's") +
  item(
    ".I \\(ti/.config/ipc/profiles/NAME.toml",
    "a profile, chosen by --profile NAME; the machine's are in /etc/ipc/profiles. It may say connect, ca and token_file, too",
  );

/** Nothing for an empty body. */
function section(heading: string, body: string): string {
  return body === "" ? "" : `.SH ${heading}\n${body.trimEnd()}\n`;
}

function item(term: string, text: string): string {
  return `.TP\n${term}\n${roff(text)}\n`;
}

function argumentItem(argument: DescribedArgument): string {
  return item(`.I ${roff(argumentText(argument))}`, withChoices(argument.description, argument.argChoices));
}

function optionItem(option: DescribedOption): string {
  const text = withChoices(option.description, option.argChoices), standard = defaultText(option);
  const end = standard === undefined ? "" : ` (default: ${standard})`;
  return item(`.B ${roff(option.flags)}`, text + end);
}

function withChoices(description: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? description : `${description}: ${choices.join(", ")}`;
}

function examples(parser: DescribedParser): string {
  const lines = examplesOf(parser).map(roff);
  return lines.length === 0 ? "" : section("EXAMPLES", `.nf\n${lines.join("\n")}\n.fi`);
}

/** Text as troff prints it letter by letter. */
function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("^", "\\(ha").replaceAll("~", "\\(ti")
    .replaceAll("`", "\\(ga").replaceAll("'", "\\(aq").replaceAll('"', "\\(dq").replace(/^\./gm, "\\&.");
}

/** An argument of a macro. */
function quoted(text: string): string {
  return `"${roff(text)}"`;
}

if (import.meta.main) await writeManPages(Deno.args[0] ?? ".");
