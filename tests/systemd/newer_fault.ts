/**
 * The service under a systemd that waits for reloads (`Type=notify-reload`): the machine's, or one that was fetched.
 */
import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { figure } from "../faults/figures.ts";
import { exposure, installed, logged, logIn, stopDelivers, userService, watchdogRestarts } from "./cases.ts";
import { Lab, newerSystemd } from "./lab.ts";

const systemd = newerSystemd();
const newer = { ignore: systemd === undefined };

/** What the figures are of. */
async function version(lab: Lab): Promise<string> {
  return `systemd ${/^systemd (\d+)/.exec(await lab.must("systemctl --version"))![1]}`;
}

Deno.test("a newer systemd knows from the broker when a reload is done", newer, async () => {
  await using lab = await installed(systemd);
  const channels = 3000;
  assert.equal(await lab.property("ipcd.service", "Type"), "notify-reload");
  // Without the check there is nothing but what the broker says.
  await lab.append("/etc/systemd/system/ipcd.service.d/alone.conf", "[Service]\nExecReload=\n");
  await lab.must("systemctl daemon-reload && systemctl restart ipcd.service");
  const pid = await lab.property("ipcd.service", "MainPID");
  await lab.append("/etc/ipc/config.toml", Array.from({ length: channels }, (_, n) => `[channels.c${n}]\n`).join(""));
  const began = performance.now();
  await lab.must("systemctl reload ipcd.service");
  const took_ms = performance.now() - began;
  const opened = await lab.must("find /tmp -name '.deno.c*.socket' | wc -l");
  figure(
    13,
    `${await version(lab)}, Type=notify-reload: \`systemctl reload\` with ${channels} more channels`,
    `${opened} of them open when it ends, ${(took_ms / 1000).toFixed(1)} s`,
    "all",
  );
  assert.equal(opened, String(channels));
  assert.equal(await lab.property("ipcd.service", "SubState"), "running");
  assert.equal(await lab.property("ipcd.service", "StatusText"), "sockets in /tmp");
  // One that comes right behind another is done, too.
  await lab.must("for i in 1 2 3 4 5; do systemctl reload ipcd.service || exit; done");
  assert.equal(await lab.property("ipcd.service", "ReloadResult"), "success");
  assert.equal(await lab.property("ipcd.service", "MainPID"), pid);
});

Deno.test("a newer systemd says that a reload failed, and the broker says why", newer, async () => {
  await using lab = await installed(systemd);
  const pid = await lab.property("ipcd.service", "MainPID");
  await lab.append("/etc/ipc/config.toml", "[channels.deploys]\n");
  await lab.must("systemctl reload ipcd.service");
  await eventually(async () => (await lab.must("ipc channels", "member")).includes("deploys"), "it was not reloaded");

  // Refused by the check and by the broker.
  await lab.append("/etc/ipc/config.toml", "nonsense = 1\n");
  const { code, stderr } = await lab.sh("systemctl reload ipcd.service");
  assert.notEqual(code, 0, stderr);
  assert.equal(await lab.property("ipcd.service", "ReloadResult"), "exit-code");
  await logged(lab, /ipc: .*nonsense/);
  const refused = async () =>
    /^still with the old configuration: /.test(await lab.property("ipcd.service", "StatusText"));
  await eventually(refused, "the broker does not say why");
  await lab.must("sed -i /nonsense/d /etc/ipc/config.toml && systemctl reload ipcd.service");
  await eventually(async () => !(await refused()), "the broker does not take the mended one");
  // Refused by the broker alone.
  await lab.append("/etc/ipc/config.toml", '[[listen]]\ntcp = "127.0.0.1:0"\n');
  await lab.must("systemctl reload ipcd.service");
  await eventually(refused, "the broker does not say why it cannot listen");

  assert.equal(await lab.property("ipcd.service", "ActiveState"), "active");
  assert.equal(await lab.property("ipcd.service", "MainPID"), pid);
});

Deno.test(
  "a newer systemd starts the hardened broker by its socket, watches it, and lets it drain",
  newer,
  async () => {
    await using lab = await installed(systemd);
    const score = await exposure(lab), name = await version(lab);
    figure(13, `${name}: exposure of the system unit`, String(score), "at most 1.0");
    assert.ok(score <= 1.0);
    await lab.must("systemctl stop ipcd.service && ipc ping -n 1");
    assert.equal(await lab.property("ipcd.service", "ActiveState"), "active");
    assert.equal((await lab.sh("ipc ping", "stranger")).code, 77);
    const took = await watchdogRestarts(lab);
    figure(
      13,
      `${name}: from SIGSTOP of the broker to an answer of the next one`,
      took,
      "WatchdogSec of 15 s, and a start",
    );
    figure(
      13,
      `${name}: \`systemctl stop\` with a listener that reads nothing yet`,
      await stopDelivers(lab),
      "all, in 10 s",
    );
    await lab.must("ipc service uninstall");
    assert.equal(await lab.property("ipcd.service", "LoadState"), "not-found");
  },
);

Deno.test("a newer systemd of a user runs a broker of the user's own", newer, async () => {
  await using lab = await Lab.boot(systemd);
  await lab.addUser("alice");
  await logIn(lab, "alice");
  const score = await userService(lab, "alice");
  figure(13, `${await version(lab)}: exposure of a user's unit`, String(score), "at most 6.3");
  assert.ok(score <= 6.3);
});
