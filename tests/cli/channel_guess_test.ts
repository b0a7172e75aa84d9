import assert from "node:assert/strict";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc suggests the channel that was probably meant", async () => {
  await using cli = new CliSandbox();
  cli.start("ipc handle deploys -- cat");
  assert.equal((await cli.sh("ipc request --wait=20s deploys x")).code, 0);
  await cli.listen("logs-web");

  const unhandled = await cli.sh("ipc request deplyos x");
  assert.equal(unhandled.code, 69);
  assert.equal(
    unhandled.stderr,
    'ipc: nobody handles requests on channel "deplyos"\n(Did you mean deploys?)\n',
  );
  // "deplyos" is open now, because somebody asked for it; it is not what is meant by "deplyo".
  assert.match((await cli.sh("ipc inspect deplyo")).stderr, /\n\(Did you mean deploys\?\)\n$/);
  assert.match((await cli.sh("ipc ping log-web")).stderr, /\n\(Did you mean logs-web\?\)\n$/);
  // Somebody listens there, but nobody handles.
  const other = await cli.sh("ipc request logs-wbe x");
  assert.deepEqual([other.code, other.stderr.includes("Did you mean")], [69, false], other.stderr);
  assert.ok(!(await cli.sh("ipc request nothing-like-it x")).stderr.includes("Did you mean"));
});
