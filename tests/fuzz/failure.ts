/**
 * A failure as a file, which can be run again.
 *
 * @module
 */
import type { Episode } from "./broker/episode.ts";
import { type BrokerFinding, replayEpisodes } from "./broker/fuzz_broker.ts";
import { type Finding, tried } from "./engine.ts";
import { DECODERS } from "./targets/mod.ts";

/** What stands in the file. */
type Failure =
  | { target: string; seed: string; case: number; error: string; smallest: string; input: string }
  | { target: "broker"; seed: string; error: string; episodes: Episode[] };

/** Writes a failure of a decoder or of the broker. @returns The file's name. */
export function writeFailure(finding: Finding | BrokerFinding, seed: string): string {
  const failure: Failure = "episodes" in finding
    ? { target: "broker", seed, error: finding.error, episodes: finding.episodes }
    : {
      target: finding.target,
      seed,
      case: finding.number,
      error: finding.error,
      smallest: finding.smallest.toHex(),
      input: finding.input.toHex(),
    };
  const which = "episodes" in finding ? finding.episodes.at(-1)?.number : finding.number;
  const file = `fuzz-failure-${failure.target}-${which ?? 0}.json`;
  Deno.writeTextFileSync(file, JSON.stringify(failure, null, 1));
  return file;
}

/** Runs what stands in a file. @returns What goes wrong; `undefined` if nothing does. */
export async function replay(file: string): Promise<string | undefined> {
  const failure = JSON.parse(Deno.readTextFileSync(file)) as Failure;
  if ("episodes" in failure) return await replayEpisodes(failure.episodes);
  const target = DECODERS.find(({ name }) => name === failure.target);
  if (target === undefined) throw new Error(`Cannot replay ${file}: no target is called "${failure.target}"`);
  for (const hex of [failure.smallest, failure.input]) {
    const { error } = await tried(target, Uint8Array.fromHex(hex));
    if (error !== undefined) return error.stack ?? String(error);
  }
  return undefined;
}
