/**
 * `ipc mock`: answers a channel's requests as a file says, for those who test what asks. What the file may hold is in
 * mock/answers.ts.
 *
 * @module
 */
import { type IncomingRequest, IpcError } from "../client/mod.ts";
import { pause } from "../client/pause.ts";
import { answerRequests } from "./answering.ts";
import { autostartWanted, openChannel } from "./connection.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { type MockAnswer, readMockAnswer } from "./mock/answers.ts";
import { noticesOf } from "./notice.ts";
import { endingSignals } from "./signals.ts";
import { inputPath } from "./special_files.ts";
import { lineFailure, nameOf, textLines } from "./text_lines.ts";
import { argumentParser, countArgument, nameArgument, parseArguments, usageError, type Verb } from "./verb.ts";

/** Options of `ipc mock`. */
export interface MockOptions {
  channel: string;
  /** A file's path, `-` for standard input. */
  file: string;
  /** Leave after this many requests. */
  count: number;
  autostart: boolean;
  name: string;
}

export const verb: Verb<MockOptions> = { parse: parseMock, run: runMock };

export function parseMock(argv: readonly string[]): MockOptions {
  const parser = argumentParser("mock", "Answer a channel's requests as a file says: a JSON object on each line.", [
    "ipc mock users --from users.mock",
    `echo '{"like": {"id": 7}, "reply": {"name": "Ada"}, "delay": "50ms"}' | ipc mock users --from -`,
  ])
    .argument("<channel>", "whose requests")
    .option("--from <file>", "the answers; - is standard input. The first whose is, like or glob fits is given")
    .option("-n, --count <n>", "leave after this many requests", countArgument, Infinity)
    .option("--no-autostart", "exit 69 if no broker runs, instead of starting one")
    .option("--name <name>", "what others see as the handler's name", nameArgument, "ipc mock");
  const { args: [channel], options } = parseArguments(parser, argv);
  const { from, count, autostart, name } = options;
  if (from === undefined) {
    throw usageError(parser, "the answers are missing: --from <file>, or --from - for standard input");
  }
  return { channel, file: inputPath(from), count, autostart, name };
}

export async function runMock(options: MockOptions, io: Io): Promise<number> {
  using signals = endingSignals(io);
  const { channel: name, file, count } = options;
  const read = await Promise.race([readAnswers(file, io), signals.ended]);
  if (typeof read === "number") return read;
  await using channel = await openChannel(name, io, {
    name: options.name,
    handle: true,
    autostart: autostartWanted(options.autostart, io),
    onnotice: noticesOf(name, io.stderr),
  });
  return await answerRequests(channel, { count, workers: Infinity }, signals.ended, async (request) => {
    const answer = read.find(({ fits }) => fits(request.data));
    if (answer === undefined) throw new IpcError("HANDLER_ERROR", `no line of ${nameOf(file)} fits the request`);
    return await give(answer, request, signals.signal);
  });
}

async function readAnswers(file: string, io: Io): Promise<MockAnswer[]> {
  const answers: MockAnswer[] = [];
  for await (const { text, number } of textLines(file, "the answers", io)) {
    if (text.trim() === "") continue;
    try {
      answers.push(readMockAnswer(text));
    } catch (error) {
      throw lineFailure(file, number, (error as Error).message);
    }
  }
  if (answers.length === 0) throw new Failure(EXIT.DATA, `${nameOf(file)} has no answers`);
  return answers;
}

/** @returns The reply. */
async function give(answer: MockAnswer, request: IncomingRequest, stopping: AbortSignal): Promise<unknown> {
  const { delay_ms, stderr, status, reply } = answer;
  if (delay_ms > 0) await pause(delay_ms, AbortSignal.any([request.signal, stopping]));
  if (stopping.aborted) throw new IpcError("HANDLER_GONE", "the handler was stopped");
  if (stderr !== "") await request.writeError(stderr);
  request.status = status;
  return reply;
}
