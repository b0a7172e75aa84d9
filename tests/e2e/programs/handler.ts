/**
 * Answers requests. Tells "ready"; obeys "report".
 *
 * What it answers depends on the request: {"echo": x} is answered with x, {"parts": n, "bytes": b} with a stream of n
 * numbered parts of b bytes, {"hang": true} never.
 *
 * @module
 */
import { connect } from "../../../client/mod.ts";
import { numbered } from "./numbered.ts";
import { given, obey, tell } from "./program.ts";

/** What a request may hold. */
export type Question = { echo: unknown } | { parts: number; bytes: number } | { hang: true };

const options = given<{
  channel: string;
  name?: string;
  /** Whether it broadcasts an event before each answer. */
  announces?: boolean;
}>();
let answered = 0, open = 0;

const channel = await connect(options.channel, options);
channel.handle((request) => {
  const question = request.data as Question;
  if ("echo" in question) return echo(question.echo);
  if ("parts" in question) return parts(question.parts, question.bytes);
  open++;
  return new Promise(() => {});
});
await channel.flush();
tell("ready", { client: channel.client });

await obey({ report: () => tell("report", { answered, open }) });

async function echo(data: unknown): Promise<unknown> {
  if (options.announces) await channel.broadcast(data);
  answered++;
  return data;
}

async function* parts(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let part = 1; part <= count; part++) yield numbered(0, part, bytes);
  answered++;
}
