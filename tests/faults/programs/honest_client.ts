/**
 * Somebody honest who comes again and again: connects, sends an event, gets it back, and leaves, and notes how long that
 * took. Tells "ready" when it has done so once; obeys "report".
 *
 * @module
 */
import { connect } from "../../../client/mod.ts";
import { given, obey, tell } from "../../e2e/programs/program.ts";
import { pause } from "../../e2e/wait.ts";

/** What it reports. */
export interface HonestReport {
  served: number;
  longest_ms: number;
  failures: string[];
}

const options = given<{ channels: string[]; rest_ms: number; limit_ms: number }>();
const report: HonestReport = { served: 0, longest_ms: 0, failures: [] };

async function visit(name: string): Promise<void> {
  const start_ms = performance.now();
  try {
    await using channel = await connect(name, {
      name: "honest",
      listen: true,
      reconnect: false,
      connect_timeout_ms: options.limit_ms,
    });
    const back = new Promise<void>((resolve) => {
      channel.listen(({ source }) => source === channel.client && resolve());
    });
    await channel.broadcast("it is me", { ack: true });
    await Promise.race([back, channel.closed.then((error) => Promise.reject(error ?? new Error("closed")))]);
    report.served++;
  } catch (error) {
    report.failures.push(`${name}: ${error instanceof Error ? error.message : error}`);
  }
  report.longest_ms = Math.max(report.longest_ms, Math.round(performance.now() - start_ms));
}

async function visits(name: string): Promise<void> {
  for (;;) {
    await visit(name);
    await pause(options.rest_ms);
  }
}

await Promise.all(options.channels.map(visit));
tell("ready");
for (const name of options.channels) void visits(name);
await obey({ report: () => tell("report", { ...report }) });
