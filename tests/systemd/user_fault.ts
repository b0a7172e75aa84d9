/**
 * A user's own service under a real systemd of that user.
 */
import assert from "node:assert/strict";
import { figure } from "../faults/figures.ts";
import { logIn, userService } from "./cases.ts";
import { Lab, withoutLab } from "./lab.ts";

const lab = { ignore: withoutLab() !== undefined };

Deno.test("ipc service install --user runs a broker of the user's own, uninstall leaves nothing", lab, async () => {
  await using lab = await Lab.boot();
  await lab.addUser("alice");
  await lab.addUser("bob");
  const none = await lab.sh("ipc service install", "alice");
  assert.equal(none.code, 69);
  assert.match(none.stderr, /cannot reach the systemd of this user: .*loginctl enable-linger/);
  await logIn(lab, "alice");
  const score = await userService(lab, "alice");
  figure(13, "exposure of a user's unit, `systemd-analyze --user security`", String(score), "at most 6.3");
  assert.ok(score <= 6.3);
  const system = await lab.sh("ipc service install --system", "alice");
  assert.equal(system.code, 77);
  assert.match(system.stderr, /is root's to install: run this with sudo, or --user/);
});
