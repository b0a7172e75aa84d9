/**
 * Shows where the broker's time goes under a case of the benchmark, and keeps the profile for a viewer (Chrome's DevTools,
 * speedscope).
 *
 *     deno task bench:profile CASE [FILE]
 *
 * @module
 */
import type { Bench } from "./case.ts";
import { BROKER_CASES } from "./cases/brokers.ts";
import { type CpuProfile, selfTimes } from "./cpu_profile.ts";
import { openDriver } from "./driver.ts";
import { findProgram } from "./machine.ts";
import { installIpc } from "./peers/ipc.ts";
import { onSignals } from "./signals.ts";
import { Workshop } from "./workshop.ts";

const SHOWN = 25, RUNS = 3;

if (import.meta.main) Deno.exitCode = await main(Deno.args);

async function main([name, file]: readonly string[]): Promise<number> {
  const one = BROKER_CASES.find((known) => known.name === name);
  if (one === undefined) {
    const names = BROKER_CASES.map((known) => known.name).join(", ");
    console.error(`Usage: deno task bench:profile CASE [FILE]\n\nCASE is one of ${names}.`);
    return 64;
  }
  const target = file ?? `${one.name}.cpuprofile`;
  await using workshop = await Workshop.open();
  using _signals = onSignals(() => workshop.interrupt());
  try {
    await profile(one.name, workshop, target);
    return 0;
  } catch (error) {
    if (workshop.interrupted) return 130;
    throw error;
  }
}

/** Runs ours under the case until it is hot and some times more, and lets V8 write down what it did. */
async function profile(name: string, workshop: Workshop, target: string): Promise<void> {
  const one = BROKER_CASES.find((known) => known.name === name)!;
  const notice = (text: string) => console.error(text);
  const ipc = await installIpc(workshop), directory = `${workshop.directory}/profile`;
  const peers: Bench["peers"] = {
    ipc: { ...ipc, start: (where, options) => ipc.start(where, { ...options, cpu_profile: directory }) },
    nats: undefined,
    redis: undefined,
    mosquitto: undefined,
  };
  const core = await findProgram("taskset") === undefined ? undefined : navigator.hardwareConcurrency - 1;
  const driver = await openDriver(workshop, notice);
  const entries = await one.entries({ workshop, peers, driver, quick: false, core, notice });
  const entry = entries.find((known) => known.name === "ipc");
  if (entry === undefined) throw new Error(`${name} cannot be measured here`);
  {
    await using contestant = await entry.open();
    for (let run = 0; run < RUNS; run++) {
      const sample = await contestant.run();
      const numbers = one.metrics.map(({ key, title }) => `${title} ${Math.round(sample[key]! * 100) / 100}`);
      console.error(`${name}: ${numbers.join(", ")} (while profiled)`);
    }
  } // The broker writes its profile when it ends.
  const written = [...Deno.readDirSync(directory)].map((entry) => entry.name).find((file) =>
    file.endsWith(".cpuprofile")
  );
  if (written === undefined) throw new Error("the broker left no profile");
  await Deno.copyFile(`${directory}/${written}`, target);
  print(JSON.parse(await Deno.readTextFile(target)) as CpuProfile);
  console.log(`\n${target} is for Chrome's DevTools (Performance) or speedscope`);
}

function print(profile: CpuProfile): void {
  for (const { name, place, self_ms, share } of selfTimes(profile).slice(0, SHOWN)) {
    console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${self_ms.toFixed(0).padStart(6)} ms  ${name}  ${place}`);
  }
}
