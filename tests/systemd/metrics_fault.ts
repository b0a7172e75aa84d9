/**
 * The units of docs/monitoring.md, as they are printed there, under a real systemd.
 */
import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { parseExposition } from "../prometheus.ts";
import { Lab, withoutLab } from "./lab.ts";

const DOCS = Deno.readTextFileSync(new URL("../../docs/monitoring.md", import.meta.url));

Deno.test("docs/monitoring.md: the timer writes metrics for the textfile collector", {
  ignore: withoutLab() !== undefined,
}, async () => {
  const [service, timer] = [...DOCS.matchAll(/```ini\n([^]*?)```/g)].map((match) => match[1]!);
  await using lab = await Lab.boot();
  await lab.must("ipc daemon start && ipc send deploys hello");
  await lab.append("/etc/systemd/system/ipc-metrics.service", service!);
  await lab.append("/etc/systemd/system/ipc-metrics.timer", timer!);
  // ipc and the collector's directory are elsewhere than on the machine that the units are for.
  const here = `[Service]\nWorkingDirectory=/run/textfile\nEnvironment=PATH=${lab.prefix}/bin:/usr/bin:/bin\n`;
  await lab.append("/etc/systemd/system/ipc-metrics.service.d/here.conf", here);
  await lab.must("mkdir /run/textfile && systemctl daemon-reload && systemctl enable --now ipc-metrics.timer");
  const text = await eventually(async () => {
    const { code, stdout } = await lab.sh("cat /run/textfile/ipc.prom");
    return code === 0 && stdout;
  }, "nothing was written");
  assert.equal(parseExposition(text).get("ipc_channel_events_total")!.samples.get('channel="deploys"'), 1);
  assert.equal(await lab.must("ls -A /run/textfile"), "ipc.prom");
  await lab.must("ipc daemon stop");
  assert.notEqual((await lab.sh("systemctl start ipc-metrics.service")).code, 0);
  assert.equal(await lab.must("cat /run/textfile/ipc.prom"), text.trim());
});
