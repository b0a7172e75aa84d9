import assert from "node:assert/strict";
import { connect, control } from "../../client/mod.ts";
import { encodeFrame, FRAME_TYPES } from "../../protocol/mod.ts";
import { Sandbox } from "../e2e/harness.ts";
import type { Process } from "../e2e/process.ts";
import { startCanaries } from "./canaries.ts";
import { ROOT, STRANGER, type User, Users, WITH_USERS } from "./users.ts";

/** A group by which all of them are let in: one's own group, or one more. */
const TEAM = 12_000, SUSPENDED = 12_100;
const ALICE: User = { uid: 12_001, gid: 12_001, groups: [TEAM, 12_003] }, BOB: User = { uid: 12_002, gid: TEAM };
const MALLORY: User = { uid: 12_004, gid: TEAM, groups: [12_001, SUSPENDED] };

const RULES = `
mode = "0666"
peer_credentials = true

[access]
admin = { allow = ["uid:0"] }

[channels.jobs.access]
send = { allow = ["gid:${TEAM}"], deny = ["gid:${SUSPENDED}"] }
listen = { allow = ["uid:0"], deny = ["uid:12002"] }
`;

async function broker(users: Users, user: User): Promise<Process> {
  const broker = users.start(user, "ipc daemon run");
  await broker.says("broker is ready");
  return broker;
}

Deno.test("rules by user and group hold for real ones, whatever they call themselves", WITH_USERS, async () => {
  await using users = new Users();
  users.installIpc();
  users.configure(RULES);
  const process = await broker(users, ROOT);
  const rows: [User, string, number, RegExp][] = [
    [ALICE, "ipc send jobs hello", 0, /^$/],
    [BOB, "ipc send jobs hello", 0, /^$/],
    [MALLORY, "ipc send jobs hello", 77, /of user 12004 without a token may not send/],
    [STRANGER, "ipc send --name uid:12001 jobs hello", 77, /a client called "uid:12001" of user 12345 .* may not send/],
    [BOB, "ipc listen -n 1 --no-autostart jobs", 77, /of user 12002 without a token may not listen on channel "jobs"/],
    [ALICE, "ipc listen -n 1 --no-autostart jobs", 77, /of user 12001 without a token may not listen/],
    [ALICE, "ipc daemon reload", 77, /may not administer the broker/],
    [ALICE, "ipc daemon stop", 77, /may not administer the broker/],
    [ROOT, "ipc daemon reload", 0, /read its configuration again/],
  ];
  for (const [user, line, code, said] of rows) {
    const outcome = await users.sh(user, line);
    assert.equal(outcome.code, code, `${user.uid}: ${line}: ${outcome.stderr}`);
    assert.match(outcome.stderr, said, line);
  }
  const listener = users.start(ALICE, "ipc listen --ready-fd 2 --no-autostart logs");
  await listener.says("subscribed");
  const { stdout } = await users.sh(ALICE, "ipc inspect --json logs");
  const [{ credentials: { uid, gid, groups } }] = JSON.parse(stdout).client_list;
  assert.deepEqual({ uid, gid, groups }, ALICE);
  assert(process.running);
});

Deno.test(
  "rules and tokens that the broker's user cannot read are refused, and the old ones stay",
  WITH_USERS,
  async () => {
    await using users = new Users();
    users.installIpc();
    const tokens = `${users.directory}/tokens`, rules = `[access]\ntoken_file = "${tokens}"\nlisten = { allow = [] }\n`;
    users.configure(rules);
    assert.equal((await users.sh(ROOT, `ipc token new a -o a --file ${tokens}; chmod 644 ${tokens}`)).code, 0);
    const process = await broker(users, STRANGER);
    const refused = (said: string) => process.says(said);
    Deno.chmodSync(tokens, 0o600);
    process.signal("SIGHUP");
    await refused(`${tokens}: cannot be read: permission denied`);
    Deno.chmodSync(tokens, 0o644);
    Deno.chmodSync(users.config_file, 0o600);
    process.signal("SIGHUP");
    await refused(`${users.config_file}: cannot be read: permission denied`);
    users.configure(rules);
    const listening = await users.sh(STRANGER, "ipc listen -n 1 --no-autostart jobs");
    assert.equal(listening.code, 77, listening.stderr);
    assert.match(listening.stderr, /may not listen on channel "jobs"/);
  },
);

Deno.test("canaries notice nothing of floods that are forbidden, nor of rules that change meanwhile", async () => {
  await using sandbox = new Sandbox();
  const { socket_dir } = sandbox, channels = Array.from({ length: 10 }, (_, index) => `canary-${index}`);
  const rule = (listen: string) =>
    Deno.writeTextFileSync(
      sandbox.config_file,
      `[access]\nsend = { deny = ["name:bad"] }\nlisten = { deny = ["name:${listen}"] }\n`,
    );
  rule("nobody");
  await sandbox.broker();
  await using canaries = await startCanaries(sandbox);
  await using bad = await connect(channels[0]!, { socket_dir, name: "bad", onnotice: () => {} });
  let rounds = 0, events = 0;
  const flood = async () => {
    for (; rounds < 20; events += 10_000) await bad.broadcastFrames(frames(10_000), 10_000);
    await bad.flush();
  };
  const change = async () => {
    for (; rounds < 20; rounds++) {
      const victims = await Promise.all(
        channels.map((channel) => connect(channel, { socket_dir, name: "victim", listen: true, onnotice: () => {} })),
      );
      rule("victim");
      await control("reload", {}, { socket_dir });
      for (const { closed } of victims) assert.equal((await closed)?.reason, "FORBIDDEN");
      rule("nobody");
      await control("reload", {}, { socket_dir });
    }
  };
  await Promise.all([flood(), change().finally(() => rounds = 20)]);
  (await canaries.stop()).assertFaultless();
  const { refused } = await control("stats", {}, { socket_dir }) as { refused: number };
  assert(events > 100_000 && refused >= events, `${refused} of ${events}`);
});

/** Events without a payload, one behind the other. */
function frames(count: number): Uint8Array<ArrayBuffer> {
  const one = encodeFrame({ type: FRAME_TYPES.EVENT }), all = new Uint8Array(count * one.length);
  for (let at = 0; at < count; at++) all.set(one, at * one.length);
  return all;
}
