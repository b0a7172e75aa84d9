/**
 * Starts of the broker under the worst umask while another user connects as fast as it can: whether there is a moment at
 * which it gets in.
 *
 * @module
 */
import assert from "node:assert/strict";
import { startBroker } from "../../daemon/mod.ts";
import { testSettings } from "../../daemon/testing.ts";
import { pause } from "../e2e/wait.ts";
import { figure } from "./figures.ts";
import { conclude, STRANGER, Users } from "./users.ts";

const QUIET = { debug() {}, info() {}, warning() {}, error() {} };
/** A group that the stranger is not in. */
const TEAM = 40_001;

/** Starts brokers in this process, and fails if the stranger ever connects. @param count How many. */
export async function startWatched(count: number): Promise<void> {
  await using users = new Users();
  const mask = Deno.umask(0);
  try {
    await assertStrangerIsQuick(users);
    const stranger = await users.stranger(STRANGER, "poll", users.socket("ipcd"), users.socket("jobs"));
    for (let start = 0; start < count; start++) {
      Deno.umask(0);
      // As it is by default, and opened to a group: chgrp and chmod come after the bind.
      const defaults = testSettings(users.socket_dir).defaults;
      const jobs = start % 2 === 0 ? defaults : { ...defaults, socket_mode: 0o660, socket_gid: TEAM };
      const broker = await startBroker({
        settings: { ...testSettings(users.socket_dir), channels: new Map([["jobs", jobs]]) },
        state_dir: `${users.directory}/state`,
        version: "0.0.0-test",
        log: QUIET,
      });
      await broker.drain("the next one starts");
    }
    const { connected = 0, EACCES = 0, ...others } = await conclude(stranger);
    assert.equal(connected, 0, "the stranger got in");
    // Where nothing stood at the path, or nobody listened any more, it had no chance.
    assert(EACCES > count / 10, `it was turned away ${EACCES} times only, others ${JSON.stringify(others)}`);
    figure(
      9,
      `starts under umask 0 while another user connects: ${count}`,
      `${connected} connects, ${EACCES} refused`,
      "0 connects",
    );
  } finally {
    Deno.umask(mask);
  }
}

/** That the stranger is quick enough to prove something: it gets in where a socket is bound first and closed to it then. */
async function assertStrangerIsQuick(users: Users): Promise<void> {
  const path = users.socket("careless"), stranger = await users.stranger(STRANGER, "poll", path);
  for (let tries = 0; tries < 2_000; tries++) {
    using _listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o600);
    if (tries % 100 === 99) await pause(0);
  }
  const { connected = 0 } = await conclude(stranger);
  assert(connected > 0, "the stranger is too slow to notice anything");
}
