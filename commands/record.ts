/**
 * `ipc record`: writes the events of channels to a file, so that `ipc replay` can send them again. It listens as `ipc listen`
 * does; what is its own is the form of the lines (tape.ts) and the file.
 *
 * @module
 */
import { OVERFLOWS } from "../protocol/bodies.ts";
import { Option } from "@commander-js/extra-typings";
import { autostartWanted } from "./connection.ts";
import { type IfThere, openOutput } from "./file_output.ts";
import type { Io } from "./io.ts";
import type { ListenOptions } from "./listen.ts";
import { Listening } from "./events/listening.ts";
import { endingSignals } from "./signals.ts";
import { outputPath } from "./special_files.ts";
import { tapeFormat } from "./tape.ts";
import {
  argumentParser,
  countArgument,
  durationArgument,
  nameArgument,
  numberArgument,
  parseArguments,
  usageError,
  type Verb,
} from "./verb.ts";

/** Options of `ipc record`. */
export interface RecordOptions extends ListenOptions {
  /** A file's path, `-` for standard output. */
  output: string;
  if_there: IfThere;
}

export const verb: Verb<RecordOptions> = { parse: parseRecord, run: runRecord };

export function parseRecord(argv: readonly string[]): RecordOptions {
  const parser = argumentParser("record", "Write the events of channels to a file, for ipc replay.", [
    "ipc record 'sensor.*' -o sensors.tape",
    "ipc record -n 100 -t 1m deploys -o - | gzip >deploys.tape.gz",
  ])
    .usage("[options] <channel or glob>... -o <file>")
    .argument("<channel...>", "names, or globs with * ? [a-z]; channels that appear later are included")
    .option("-o, --output <file>", "where to; - is standard output")
    .option("--force", "overwrite the file if it is there")
    .option("--append", "add to the file if it is there")
    .option("-n, --count <n>", "leave after this many events", countArgument, Infinity)
    .option("-t, --timeout <duration>", "leave with 124 after this long", durationArgument, Infinity)
    .option("--idle <duration>", "leave when no event has come for this long", durationArgument, Infinity)
    .option("--strict", "exit 1 when events were missed")
    .addOption(new Option("--overflow <policy>", "when writing is too slow").choices(OVERFLOWS))
    .option("--last <n>", "begin with this many of the latest events, as far as the broker has them", numberArgument, 0)
    .option("--ready-fd <n>", "write a line to this file descriptor once nothing can be missed", numberArgument)
    .option("--no-autostart", "exit 69 if no broker runs, instead of starting one")
    .option("--name <name>", "what others see as the recorder's name", nameArgument, "ipc record");
  const { args: [channels], options } = parseArguments(parser, argv);
  if (options.output === undefined) {
    throw usageError(parser, "where to is missing: -o <file>, or -o - for standard output");
  }
  if (options.force && options.append) throw usageError(parser, "--force and --append exclude each other");
  const output = outputPath(options.output);
  return {
    channels,
    output,
    if_there: options.force ? "overwrite" : options.append ? "append" : "refuse",
    count: options.count,
    timeout_ms: options.timeout,
    idle_ms: options.idle,
    json: true,
    format: tapeFormat(),
    names: true,
    command: [],
    jobs: 1,
    coalesce: false,
    debounce_ms: 0,
    then: [],
    where: undefined,
    presence: false,
    strict: options.strict ?? false,
    overflow: options.overflow,
    last: options.last,
    since: undefined,
    ready_fd: options.readyFd,
    autostart: options.autostart,
    name: options.name,
  };
}

export async function runRecord(options: RecordOptions, io: Io): Promise<number> {
  using file = options.output === "-" ? undefined : await openOutput(options.output, options.if_there);
  // A signal ends it between two writes, so that no line is cut.
  using signals = endingSignals(io);
  const autostart = autostartWanted(options.autostart, io);
  await using listening = new Listening(
    { ...options, autostart },
    file === undefined ? io : {
      ...io,
      stdout: file,
      bulkOutput: () => Promise.resolve(file),
      stdoutClosed: () => new Promise(() => {}),
    },
  );
  return await Promise.race([listening.run(), signals.ended]);
}
