/**
 * `ipc completion`: the script that makes a shell ask, and the answers to what it asks.
 *
 * @module
 */
import { Argument, Option } from "@commander-js/extra-typings";
import type { ClientInfo } from "../client/mod.ts";
import { profileNames } from "../config/profiles.ts";
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { takeGlobalOptions, withVariables } from "./broker_options.ts";
import type { ChannelLine } from "./channels.ts";
import { COMPLETION_SCRIPTS, type Shell, SHELLS } from "./completion/scripts.ts";
import { type Candidate, complete, type Completion, type Names, unquoted } from "./completion/words.ts";
import { askBroker } from "./connection.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { printable } from "./notice.ts";
import { withProfile } from "./profile.ts";
import { argumentParser, parseArguments, splitCommand, usageError, type Verb } from "./verb.ts";

/** Options of `ipc completion`. */
export interface CompletionOptions {
  shell: Shell;
  /** What to complete; `undefined` to print the script. */
  words: readonly string[] | undefined;
}

/** Who presses Tab does not wait longer than this for the broker. */
const BROKER_MS_MAX = 500;

export const verb: Verb<CompletionOptions> = { parse: parseCompletion, run: runCompletion };

export function parseCompletion(argv: readonly string[]): CompletionOptions {
  const parser = argumentParser("completion", "Print a script that makes a shell complete ipc's arguments.", [
    "source <(ipc completion bash)          # in ~/.bashrc",
    "source <(ipc completion zsh)           # in ~/.zshrc, behind compinit",
    "ipc completion fish | source           # in ~/.config/fish/config.fish",
  ])
    .addArgument(new Argument("<shell>", "for which").choices(SHELLS))
    .addOption(new Option("--words", "complete the last of the words behind --").hideHelp());
  const { own, command } = splitCommand(argv);
  const { args: [shell], options } = parseArguments(parser, own);
  if (options.words === undefined && command.length > 0) throw usageError(parser, "words are for --words");
  return { shell, words: options.words ? command : undefined };
}

export async function runCompletion({ shell, words }: CompletionOptions, io: Io): Promise<number> {
  if (words === undefined) io.stdout.write(COMPLETION_SCRIPTS[shell]);
  else {
    // bash gives words as they were typed, and so does fish the last one.
    const typed = words.map((word, at) => shell === "bash" || at === words.length - 1 ? unquoted(word) : word);
    const { values } = takeGlobalOptions(typed);
    io.stdout.write(completionText(await complete(typed, brokerNames(withVariables(io, values)))));
  }
  return EXIT.OK;
}

/** As the scripts read it: what it is, and then a candidate a line. */
export function completionText(completion: Completion): string {
  if (completion.kind === "command") return `:command ${completion.from}\n`;
  if (completion.kind !== "values") return `:${completion.kind} ${completion.behind}\n`;
  const lines = completion.candidates.filter(({ value }) => printable(value) === value)
    .map(({ value, description }) => `${value}\t${printable(description)}\n`);
  return `:values\n${lines.join("")}`;
}

/** Names that the broker knows. Where none runs, or none answers, there are none: not a word about it at a prompt. */
function brokerNames(io: Io): Names {
  const places = { cwd: io.cwd(), env: io.env };
  const ask = async <Answer>(method: string, params: Record<string, unknown>): Promise<Answer[]> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => timer = setTimeout(reject, BROKER_MS_MAX));
    try {
      return await Promise.race([askBroker(method, params, await withProfile(io)) as Promise<Answer[]>, late]);
    } catch {
      return [];
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    profiles: () => profileNames(places).map((value) => ({ value, description: "" })),
    async channels() {
      const channels = await ask<ChannelLine>("channels", {});
      return channels.filter(({ channel }) => channel !== CONTROL_CHANNEL).map(({ channel, listeners, handlers }) => ({
        value: channel,
        description: `${listeners} listening, ${handlers} handling`,
      }));
    },
    async clients(channel) {
      const clients = await ask<ClientInfo>("clients", channel === undefined ? {} : { channel });
      const names = new Map<string, Candidate>();
      for (const { name, channel, client } of clients) {
        if (name === "" || channel === CONTROL_CHANNEL) continue;
        names.set(name, { value: name, description: `client ${client} of ${channel}` });
      }
      return [...names.values()];
    },
  };
}
