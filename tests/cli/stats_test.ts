import assert from "node:assert/strict";
import { parseExposition } from "../prometheus.ts";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc stats says the same as a table, as JSON and to Prometheus, and its counters never fall", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const listener = await cli.listen("-n 3 deploys");
  assert.equal((await cli.sh("seq 3 | ipc send -l deploys")).code, 0);
  assert.equal(await listener.exit(), 0);

  const table = await cli.sh("ipc stats 'dep*'");
  assert.match(table.stdout, /^broker +running, version \S+, pid \d+\nrunning for /);
  assert.match(table.stdout, /\n\nCHANNEL +CLIENTS .*\ndeploys +\d+ .*\n$/);
  assert(!(await cli.sh("ipc stats")).stdout.includes("deploys"));
  assert.equal(JSON.parse((await cli.terminal("ipc stats --json")).stdout).pid, (await cli.brokers())[0]);

  const json = JSON.parse((await cli.sh("ipc stats --json 'dep*'")).stdout);
  assert.deepEqual(json.channel_list.map(({ channel, events }: Record<string, unknown>) => [channel, events]), [
    ["deploys", 3],
  ]);

  const before = parseExposition((await cli.sh("ipc stats --prometheus '*'")).stdout);
  assert.equal(before.get("ipc_channel_events_total")!.samples.get('channel="deploys"'), 3);
  assert(!before.get("ipc_channel_events_total")!.samples.has('channel="ipcd"'));
  assert.equal(before.get("ipc_build_info")!.samples.get(`version="${json.version}"`), 1);
  await cli.sh("ipc send deploys x; ipc send --to 4000000 other x");
  const after = parseExposition((await cli.sh("ipc stats --prometheus '*'")).stdout);
  for (const [name, { type, samples }] of before) {
    if (type !== "counter") continue;
    for (const [labels, value] of samples) {
      assert(after.get(name)!.samples.get(labels)! >= value, `${name}{${labels}} fell`);
    }
  }
  assert.equal(after.get("ipc_channel_events_total")!.samples.get('channel="deploys"'), 4);
  assert(after.get("ipc_events_total")!.samples.get("")! > before.get("ipc_events_total")!.samples.get("")!);
});

Deno.test("ipc stats leaves with 64, 69 and 74, and prints nothing then", async () => {
  await using cli = new CliSandbox();
  for (
    const [line, code, said] of [
      ["ipc stats --json --prometheus", 64, /exclude each other/],
      ["ipc stats", 69, /no broker is running/],
      ["ipc stats --prometheus", 69, /no broker is running/],
      ["ipc daemon start && ipc stats > /dev/full", 74, /No space left/],
    ] as const
  ) {
    const outcome = await cli.sh(line);
    assert.deepEqual([outcome.code, outcome.stdout], [code, ""], line);
    assert.match(outcome.stderr, said);
  }
});
