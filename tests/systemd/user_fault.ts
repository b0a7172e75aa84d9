/**
 * A user's own service under a real systemd of that user.
 */
import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { Lab, withoutLab } from "./lab.ts";

const lab = { ignore: withoutLab() !== undefined };

Deno.test("ipc service install --user runs a broker of the user's own, uninstall leaves nothing", lab, async () => {
  await using lab = await Lab.boot();
  await lab.addUser("alice");
  await lab.addUser("bob");
  const none = await lab.sh("ipc service install", "alice");
  assert.equal(none.code, 69);
  assert.match(none.stderr, /cannot reach the systemd of this user: .*loginctl enable-linger/);
  // What a login does, where there is a login manager.
  await lab.must(
    "systemd-run --quiet --unit=user-alice --uid=alice -p Delegate=yes -E HOME=/home/alice " +
      "-E XDG_RUNTIME_DIR=/run/user/alice /lib/systemd/systemd --user",
  );
  await eventually(
    async () => (await lab.sh("systemctl --user is-system-running", "alice")).stdout.startsWith("running"),
    "the user's systemd does not come up",
  );
  const listing = "find /home/alice /tmp -name '*ipc*' -not -path '/tmp/deno-*' | sort";
  const before = await lab.must(listing);
  await lab.must("ipc service install", "alice");
  await lab.must("ipc service status", "alice");
  await lab.must("ipc ping", "alice");
  assert.equal(await lab.must("stat -c '%U %a' /tmp/.deno.ipcd.socket"), "alice 600");
  assert.equal((await lab.sh("ipc ping", "bob")).code, 77);
  // Activation, reload and the log are the user's too.
  await lab.must("systemctl --user stop ipcd.service && ipc ping && systemctl --user reload ipcd.service", "alice");
  assert.equal(
    await lab.must("systemctl --user show --value --property=StatusText ipcd.service", "alice"),
    "sockets in /tmp",
  );
  await lab.must("ipc service uninstall", "alice");
  // The lock's file stays with whoever else of this user's may hold it.
  assert.equal(await lab.must(listing), before);
  const system = await lab.sh("ipc service install --system", "alice");
  assert.equal(system.code, 77);
  assert.match(system.stderr, /is root's to install: run this with sudo, or --user/);
});
