/**
 * What is tried under the machine's systemd, and under a newer one.
 *
 * @module
 */
import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { Lab, type NewerSystemd } from "./lab.ts";

/** A lab with the service installed, a member of its group and a stranger. */
export async function installed(systemd?: NewerSystemd): Promise<Lab> {
  const lab = await Lab.boot(systemd);
  try {
    await lab.must("ipc service install --system");
    await lab.addUser("member", "ipc");
    await lab.addUser("stranger");
    return lab;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** What systemd thinks of a unit: 0 is best, 10 worst. */
export async function exposure(lab: Lab, user?: string): Promise<number> {
  const scope = user === undefined ? "" : "--user";
  const security = await lab.must(`systemd-analyze security ${scope} --no-pager ipcd.service | tail -1`, user);
  const score = /exposure level for ipcd\.service: ([\d.]+)/.exec(security)?.[1];
  assert.ok(score, security);
  return Number(score);
}

/** A broker that is stopped is killed, and there is another. @returns How long that took. */
export async function watchdogRestarts(lab: Lab): Promise<string> {
  const pid = await lab.property("ipcd.service", "MainPID");
  const stopped_ms = performance.now();
  await lab.must(`kill -STOP ${pid}`);
  await eventually(async () => await lab.property("ipcd.service", "NRestarts") === "1", "it was not restarted");
  await lab.must("ipc ping -n 1", "member");
  const took_ms = performance.now() - stopped_ms;
  assert.notEqual(await lab.property("ipcd.service", "MainPID"), pid);
  return `${(took_ms / 1000).toFixed(1)} s`;
}

/** What was accepted arrives though the service is stopped. @returns How much that was, and how long it took. */
export async function stopDelivers(lab: Lab): Promise<string> {
  const events = 200_000;
  // Reads nothing for a while: most of it stands in the broker when it is told to stop.
  const listener = lab.spawn(
    `ipc listen --no-autostart --ready-fd 2 -n ${events} numbers | (sleep 2; cat) > /tmp/received`,
    "member",
  );
  const output = listener.output();
  await eventually(async () => /numbers +1 /.test(await lab.must("ipc channels || true", "member")), "nobody listens");
  await lab.must(`seq ${events} | ipc send -l numbers`, "member");
  const began = performance.now();
  await lab.must("systemctl stop ipcd.socket");
  const took_ms = performance.now() - began;
  assert.ok(took_ms < 10_000, `${took_ms} ms`);
  assert.equal((await output).code, 0);
  await lab.must(`seq ${events} | cmp - /tmp/received`);
  assert.equal(await lab.property("ipcd.service", "Result"), "success");
  return `${events} of ${events} accepted events arrived, ${(took_ms / 1000).toFixed(1)} s`;
}

/** What a service says in its log, which may take a moment to be in the journal. */
export async function logged(lab: Lab, what: RegExp, unit = "ipcd.service"): Promise<RegExpExecArray> {
  return await eventually(
    async () => what.exec(await lab.must(`journalctl -o cat -u ${unit}`)) ?? undefined,
    `this is not in the log of ${unit}: ${what}`,
  );
}

/** Starts the systemd of a user, as a login does where there is a login manager. */
export async function logIn(lab: Lab, user: string): Promise<void> {
  await lab.must(
    `systemd-run --quiet --unit=user-${user} --uid=${user} -p Delegate=yes -E HOME=/home/${user} ` +
      `-E XDG_RUNTIME_DIR=/run/user/${user} /lib/systemd/systemd --user`,
  );
  await eventually(
    async () => (await lab.sh("systemctl --user is-system-running", user)).stdout.startsWith("running"),
    "the user's systemd does not come up",
  );
}

/** A user who is logged in installs a service, uses it and removes it, and nothing is left. @returns Its exposure. */
export async function userService(lab: Lab, user: string): Promise<number> {
  const property = (name: string) => lab.must(`systemctl --user show --value --property=${name} ipcd.service`, user);
  const listing = `find /home/${user} /tmp -name '*ipc*' -not -path '/tmp/deno-*' | sort`;
  const before = await lab.must(listing);
  await lab.must("ipc service install", user);
  await lab.must("ipc service status", user);
  await lab.must("ipc ping", user);
  assert.equal(await lab.must("stat -c '%U %a' /tmp/.deno.ipcd.socket"), `${user} 600`);
  // Activation, reload and the log are the user's too.
  await lab.must("systemctl --user stop ipcd.service && ipc ping && systemctl --user reload ipcd.service", user);
  await eventually(async () => await property("StatusText") === "sockets in /tmp", "it does not say that it is ready");
  // What the unit forbids the kernel refuses: more rights, and every network but the one it opens.
  const status = await lab.must(`cat /proc/${await property("MainPID")}/status`);
  assert.match(status, /^NoNewPrivs:\t1\n[^]*^Seccomp:\t2\n/m);
  const score = await exposure(lab, user);
  const config = `/home/${user}/.config/ipc/config.toml`;
  await lab.must(`mkdir -p $(dirname ${config}) && printf '[[listen]]\ntcp = "127.0.0.1:0"\n' > ${config}`, user);
  await lab.must("systemctl --user reload ipcd.service", user);
  await eventually(async () => /Cannot listen on/.test(await property("StatusText")), "it listens on TCP");
  await lab.must("ipc service install", user);
  const [, port] = await logged(lab, /\bport=(\d+)/, `user-${user}.service`);
  await lab.must(`ipc --connect tcp://127.0.0.1:${port} ping -n 1`, user);
  await lab.must(`ipc service uninstall && rm -r $(dirname ${config})`, user);
  // The lock's file stays with whoever else of this user's may hold it.
  assert.equal(await lab.must(listing), before);
  return score;
}
