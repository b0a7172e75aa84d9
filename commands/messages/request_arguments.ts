/**
 * The arguments of `ipc request`.
 *
 * @module
 */
import { messageParser, parseMessage } from "./arguments.ts";
import type { RequestOptions } from "../request.ts";
import { countArgument, durationArgument } from "../verb.ts";

export function parseRequest(argv: readonly string[]): RequestOptions {
  const parser = messageParser({
    name: "request",
    description: "Ask a channel's handler, print its reply, and exit with its status.",
    examples: [
      "ipc request wc < README.md",
      'ipc request -t 5s deploy "v1.4"',
      "ipc request --all health",
    ],
    awaited: "a handler",
    named: "what the handler's side sees as the requester's name",
  })
    .option(
      "-t, --timeout <duration>",
      "give up after this long; 0 is never (default: the channel's own)",
      durationArgument,
    )
    .option("--all", "ask every handler and print each reply")
    .option("--replies <n>", "with --all, or a reply in parts: stop after this many", countArgument)
    .option("--no-remote-status", "exit 0 for any reply, whatever the handler's status")
    .option("--raw", "print the reply as it is, without a line feed added");
  const { message, options } = parseMessage(parser, argv);
  return {
    ...message,
    timeout_ms: options.timeout,
    all: options.all ?? false,
    replies: options.replies,
    remote_status: options.remoteStatus,
    raw: options.raw ?? false,
  };
}
