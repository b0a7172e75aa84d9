/**
 * What may stand at the cursor of a command line, found out from the verbs' own parsers and from the broker. The shells
 * only ask: so what they offer is right for the ipc that runs, whatever it was when they were told to ask.
 *
 * @module
 */
import { takeGlobalOptions } from "../broker_options.ts";
import { optionsOf, parserBeforeVerb, parserOf, takesCommand, valueName } from "../described.ts";
import type { DescribedOption, DescribedParser } from "../verb.ts";
import { VERBS } from "../verbs.ts";

/** One word that may stand there, and what it is. */
export interface Candidate {
  value: string;
  description: string;
}

/** What may stand there. */
export type Completion =
  | { kind: "values"; candidates: readonly Candidate[] }
  /** Paths, behind a beginning (`--file=`) that is no part of them. */
  | { kind: "files" | "directories"; behind: string }
  /** Whatever completes the command that begins with this word; 0 is `ipc` itself. */
  | { kind: "command"; from: number };

/** Who knows names. */
export interface Names {
  profiles(): readonly Candidate[];
  channels(): Promise<readonly Candidate[]>;
  /** @param channel Only those of this one. */
  clients(channel: string | undefined): Promise<readonly Candidate[]>;
}

const NOTHING: Completion = { kind: "values", candidates: [] };

/**
 * Completes the last of some words.
 *
 * @param words What stands behind `ipc`; the last one may be empty.
 */
export async function complete(words: readonly string[], names: Names): Promise<Completion> {
  const current = words.at(-1) ?? "", before = words.slice(0, -1);
  const { argv, incomplete } = takeGlobalOptions(before);
  const entry = VERBS.find(({ name }) => name === argv[0]);
  if (entry === undefined) {
    if (argv.length > 0 && incomplete === undefined) return NOTHING;
    const place = new Place(parserBeforeVerb(), current, names, []);
    if (incomplete !== undefined) return await place.value(place.optionOf(incomplete), "");
    if (current.startsWith("-")) return await place.options();
    return place.from(VERBS.map(({ name, summary }) => ({ value: name, description: summary })), "");
  }
  const parser = await parserOf(entry),
    positional: string[] = [],
    place = new Place(parser, current, names, positional);
  let pending: DescribedOption | undefined, only_positional = false;
  for (const [at, word] of argv.entries()) {
    if (at === 0) continue;
    if (pending !== undefined) pending = undefined;
    else if (only_positional || !word.startsWith("-") || word === "-") positional.push(word);
    else if (word !== "--") pending = place.awaiting(word);
    else if (takesCommand(parser)) return { kind: "command", from: words.length - argv.length + at + 1 };
    else only_positional = true;
  }
  if (pending !== undefined) return await place.value(pending, "");
  if (current.startsWith("-") && !only_positional) return await place.options();
  return await place.argument();
}

/** A place on the command line, in the words of one parser. */
class Place {
  readonly #parser: DescribedParser;
  readonly #current: string;
  readonly #names: Names;
  readonly #positional: readonly string[];

  constructor(parser: DescribedParser, current: string, names: Names, positional: readonly string[]) {
    [this.#parser, this.#current, this.#names, this.#positional] = [parser, current, names, positional];
  }

  optionOf(name: string): DescribedOption | undefined {
    return this.#parser.options.find(({ short, long }) => short === name || long === name);
  }

  /** The option of a word, if its value is the next word. */
  awaiting(word: string): DescribedOption | undefined {
    if (word.startsWith("--")) {
      const option = this.optionOf(word);
      return option !== undefined && takesNextWord(option) ? option : undefined;
    }
    for (let at = 1; at < word.length; at++) { // -lf is -l -f, -ffile is -f file
      const option = this.optionOf(`-${word[at]}`);
      if (option?.required) return at === word.length - 1 && takesNextWord(option) ? option : undefined;
    }
    return undefined;
  }

  /** Options, or the value behind an option's `=`. */
  async options(): Promise<Completion> {
    const equals = this.#current.indexOf("=");
    if (equals >= 0) {
      return await this.value(this.optionOf(this.#current.slice(0, equals)), this.#current.slice(0, equals + 1));
    }
    const candidates = optionsOf(this.#parser).flatMap(({ short, long, description }) =>
      [long, short].filter((name) => name !== undefined).map((value) => ({ value, description }))
    );
    return this.from(candidates, "");
  }

  /** The value of an option, behind a beginning of the word that is no part of it. */
  async value(option: DescribedOption | undefined, behind: string): Promise<Completion> {
    if (option === undefined) return NOTHING;
    const name = option.long === "--client" ? "client" : valueName(option);
    return await this.#named(name, option.argChoices, behind);
  }

  /** The next argument. */
  async argument(): Promise<Completion> {
    const { registeredArguments: all } = this.#parser, last = all.at(-1);
    const argument = all[this.#positional.length] ?? (last?.variadic ? last : undefined);
    return argument === undefined ? NOTHING : await this.#named(argument.name(), argument.argChoices, "");
  }

  /** What a parser calls a value says what it is. */
  async #named(name: string | undefined, choices: readonly string[] | undefined, behind: string): Promise<Completion> {
    if (choices !== undefined) return this.from(choices.map((value) => ({ value, description: "" })), behind);
    if (name === "file" || name === "path") return { kind: "files", behind };
    if (name === "directory" || name === "dir") return { kind: "directories", behind };
    if (name === "profile") return this.from(this.#names.profiles(), behind);
    if (name === "client") return this.from(await this.#names.clients(this.#positional[0]), behind);
    return name === "channel" || name === "glob" ? this.from(await this.#names.channels(), behind) : NOTHING;
  }

  /** Those that fit what is already there. */
  from(all: readonly Candidate[], behind: string): Completion {
    const candidates = all.map(({ value, description }) => ({ value: behind + value, description }))
      .filter(({ value }) => value.startsWith(this.#current));
    return { kind: "values", candidates };
  }
}

/** A value that may be left out, as of `--wait[=DURATION]`, is never the next word. */
function takesNextWord({ required, flags }: DescribedOption): boolean {
  return required && !flags.includes("[=");
}

/** A word as a shell would read it: without the quotes and backslashes that it was typed with. */
export function unquoted(word: string): string {
  let text = "", quote = "";
  for (let at = 0; at < word.length; at++) {
    const character = word[at]!;
    if (quote === "'" ? character === "'" : character === quote && quote !== "") quote = "";
    else if (quote === "" && (character === "'" || character === '"')) quote = character;
    else if (character === "\\" && quote !== "'") text += word[++at] ?? "";
    else text += character;
  }
  return text;
}
