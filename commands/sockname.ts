/**
 * `ipc sockname`: the path of a channel's socket, for `nc`, `socat` and programs without a library.
 *
 * @module
 */
import { socketPath } from "../protocol/socket_path.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { settingsOf } from "./settings.ts";
import { argumentParser, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc sockname`. */
export interface SocknameOptions {
  channel: string;
}

export const verb: Verb<SocknameOptions> = { parse: parseSockname, run: runSockname };

export function parseSockname(argv: readonly string[]): SocknameOptions {
  const parser = argumentParser("sockname", "Print the path of a channel's socket, whether it is open or not.", [
    'nc -U "$(ipc sockname deploys)"',
  ]).argument("<channel>", "its name");
  return { channel: parseArguments(parser, argv).args[0] };
}

export async function runSockname(options: SocknameOptions, io: Io): Promise<number> {
  const settings = await settingsOf(io);
  io.stdout.write(`${socketPath(settings.socket_dir, options.channel)}\n`);
  return EXIT.OK;
}
