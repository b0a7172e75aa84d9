/**
 * Answers a channel's requests until there were enough of them, a signal comes or the channel is lost.
 *
 * @module
 */
import { type Channel, type IncomingRequest, IpcError } from "../client/mod.ts";
import { EXIT } from "./exit_codes.ts";

/** How long, and how many at once. */
export interface AnsweringOptions {
  /** Leave after this many requests. */
  count: number;
  /** How many are worked on at once. */
  workers: number;
}

/**
 * Answers them. What has begun is waited for, whatever ends it.
 *
 * @param ended Resolves with the exit code of a signal.
 * @returns The exit code.
 */
export async function answerRequests(
  channel: Channel,
  { count, workers }: AnsweringOptions,
  ended: Promise<number>,
  answer: (request: IncomingRequest) => Promise<unknown>,
): Promise<number> {
  const running = new Set<Promise<unknown>>();
  const enough = Promise.withResolvers<number>();
  let started = 0;
  const handler = channel.handle(async (request) => {
    if (started === count) throw new IpcError("HANDLER_GONE", "the handler has answered as many as it was to");
    started++;
    const answering = answer(request);
    running.add(answering);
    try {
      return await answering;
    } finally {
      running.delete(answering);
      if (started === count && running.size === 0) enough.resolve(EXIT.OK);
    }
  }, { concurrency: workers });
  const lost = channel.closed.then((error) => {
    throw error ?? new IpcError("SHUTDOWN", `channel ${channel.name} was closed`);
  });
  try {
    const code = await Promise.race([enough.promise, ended, lost]);
    if (code === EXIT.OK) await channel.flush();
    return code;
  } finally {
    handler();
    await Promise.allSettled(running);
  }
}
