/**
 * The arguments of `ipc send`.
 *
 * @module
 */
import { messageParser, parseMessage } from "./arguments.ts";
import type { SendOptions } from "../send.ts";
import { countArgument, durationArgument, usageError } from "../verb.ts";

export function parseSend(argv: readonly string[]): SendOptions {
  const parser = messageParser({
    name: "send",
    description: "Broadcast a message to a channel's listeners.",
    examples: [
      'ipc send deploys "v1.4 is live"',
      "tail -F app.log | ipc send -l logs",
      'ipc send --json deploys \'{"rev": "a1b2"}\'',
      "ipc send --expect 1 alarms fire || echo nobody listens",
      "ipc send --every 1s --template clock '{{n}}: it is {{time}}'",
    ],
    awaited: "a listener, or for the client of --to,",
    named: "what others see as the sender's name",
  })
    .option("--to <client>", "only to this client, by id or name")
    .option("--retain", "keep the message for listeners to come; an empty one clears it")
    .option("--expect <n>", "exit 1 unless at least this many listeners got it", countArgument)
    .option("--count <n>", "send the message this often (default: 1; with --every without end)", countArgument)
    .option("--every <duration>", "send the message again and again, one each time this has gone by", durationArgument)
    .option("--template", "fill in {{n}} (number of the message), {{time}} and {{uuid}}")
    .option("--no-progress", "no progress bar on a terminal");
  const { message, options } = parseMessage(parser, argv);
  const repeated = options.count !== undefined ? "count" : options.every !== undefined ? "every" : undefined;
  if (message.records !== "whole" && repeated !== undefined) {
    throw usageError(parser, `--${repeated} repeats one message, so it and --${message.records} exclude each other`);
  }
  // The broker keeps no event that is for one client.
  if (options.to !== undefined && options.retain) throw usageError(parser, "--to and --retain exclude each other");
  if (options.every === Infinity) throw usageError(parser, "--every needs a duration above 0 that is not infinity");
  return {
    ...message,
    to: options.to,
    retain: options.retain ?? false,
    expect: options.expect,
    count: options.count ?? (options.every === undefined ? 1 : Infinity),
    every_ms: options.every,
    template: options.template ?? false,
    progress: options.progress,
  };
}
