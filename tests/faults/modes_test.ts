import assert from "node:assert/strict";
import { figure } from "./figures.ts";
import { type User, Users, WITH_USERS } from "./users.ts";

const TEAM = 40_001, ACCOUNTING = 40_002;
/** Runs the broker, and is in both groups. */
const BROKER: User = { uid: 41_000, gid: 41_000, groups: [TEAM, ACCOUNTING] };
const MEMBER: User = { uid: 41_001, gid: 41_001, groups: [TEAM] };
/** A member by its own group rather than by another of its groups. */
const PRIMARY: User = { uid: 41_002, gid: TEAM };
const ACCOUNTANT: User = { uid: 41_003, gid: 41_003, groups: [ACCOUNTING] };
const OUTSIDER: User = { uid: 41_004, gid: 41_004 };
const ALL = { BROKER, MEMBER, PRIMARY, ACCOUNTANT, OUTSIDER };

/**
 * Fails unless exactly these may connect to each channel's socket.
 *
 * @returns How many tries that took.
 */
async function assertOpen(users: Users, to: Record<string, (keyof typeof ALL)[]>): Promise<number> {
  const channels = Object.keys(to), found = new Map<string, string[]>(channels.map((channel) => [channel, []]));
  for (const [name, user] of Object.entries(ALL)) {
    for (const [at, result] of (await users.connect(user, channels)).entries()) {
      if (result === "connected") found.get(channels[at]!)!.push(name);
      else assert.equal(result, "EACCES", `${name} on ${channels[at]}`);
    }
  }
  assert.deepEqual(Object.fromEntries(found), to);
  return Object.keys(ALL).length * channels.length;
}

Deno.test(
  "modes 0600, 0660 and 0666 and groups let in whom they name and nobody else, tried as real users",
  WITH_USERS,
  async () => {
    await using users = new Users();
    users.installIpc();
    users.configure(`
    [channels.own]
    [channels.team]
    mode = "0660"
    group = "${TEAM}"
    [channels.payroll]
    mode = "0660"
    group = ${ACCOUNTING}
    [channels.board]
    mode = "0666"`);
    const broker = users.start(BROKER, "ipc daemon run");
    await broker.says("broker is ready");
    let tries = await assertOpen(users, {
      own: ["BROKER"],
      ipcd: ["BROKER"],
      team: ["BROKER", "MEMBER", "PRIMARY"],
      payroll: ["BROKER", "ACCOUNTANT"],
      board: ["BROKER", "MEMBER", "PRIMARY", "ACCOUNTANT", "OUTSIDER"],
    });

    // The other way round after a reload, for ipcd too.
    users.configure(`
    mode = "0660"
    group = ${TEAM}
    [channels.own]
    [channels.team]
    mode = "0600"
    [channels.payroll]
    group = ${ACCOUNTING}
    [channels.board]
    group = ${ACCOUNTING}`);
    broker.signal("SIGHUP");
    await broker.says("configuration was read again");
    tries += await assertOpen(users, {
      own: ["BROKER", "MEMBER", "PRIMARY"],
      ipcd: ["BROKER", "MEMBER", "PRIMARY"],
      team: ["BROKER"],
      payroll: ["BROKER", "ACCOUNTANT"],
      board: ["BROKER", "ACCOUNTANT"],
    });

    // A socket that is bound again, and one that is opened on demand.
    Deno.removeSync(users.socket("payroll"));
    const trusting = { IPC_BROKER_USER: String(BROKER.uid) };
    for (const channel of ["payroll", "new"]) {
      const params = JSON.stringify({ method: "open", params: { channel } });
      const { code, stderr } = await users.sh(MEMBER, `ipc request ipcd '${params}'`, trusting);
      assert.equal(code, 0, stderr);
    }
    tries += await assertOpen(users, { payroll: ["BROKER", "ACCOUNTANT"], new: ["BROKER", "MEMBER", "PRIMARY"] });

    // ipc itself: trusts that user's sockets where it is told to, says so where it is not, and says who may not.
    const sent = await users.sh(MEMBER, "ipc send own hello", trusting);
    assert.equal(sent.code, 0, sent.stderr);
    const untold = await users.sh(MEMBER, "ipc send own hello");
    assert.equal(untold.code, 77);
    assert.match(untold.stderr, /belongs to user 41000.*Nothing was sent.*IPC_BROKER_USER=41000/);
    const refused = await users.sh(OUTSIDER, "ipc send own hello", trusting);
    assert.equal(refused.code, 77);
    assert.match(refused.stderr, /Permission denied/);
    const doctor = await users.sh(OUTSIDER, "ipc doctor", trusting);
    assert.equal(doctor.code, 1, doctor.stderr);
    assert.match(
      doctor.stdout,
      /payroll\.socket has mode 0660 and belongs to user 41000 and group 40002: this user may not/,
    );
    assert.match(doctor.stdout, /fix: as root: usermod -aG 40002 41004/);
    assert.match(doctor.stdout, /team\.socket has mode 0600 .*\n {2}fix: in the broker's configuration: mode = "0660"/);
    broker.signal("SIGTERM");
    assert.equal(await broker.exit(), 0);
    figure(
      9,
      "modes 0600, 0660, 0666 and groups, connects as 5 real users",
      `${tries} of ${tries} as configured`,
      "all",
    );
  },
);

Deno.test(
  "a group that does not exist, or that the broker is not in, is a configuration error with its fix",
  WITH_USERS,
  async () => {
    await using users = new Users();
    users.installIpc();
    users.configure(`mode = "0660"\ngroup = "no-such-group"\n`);
    const missing = await users.sh(OUTSIDER, "ipc daemon run");
    assert.equal(missing.code, 78);
    assert.match(missing.stderr, /group = "no-such-group" cannot be used: \/etc\/group has no such group/);
    users.configure("");
    const broker = users.start(OUTSIDER, "ipc daemon run");
    await broker.says("broker is ready");
    users.configure(`mode = "0660"\ngroup = ${TEAM}\n`);
    broker.signal("SIGHUP");
    await broker.says("the configuration could not be read again");
    assert.match(broker.stderr, new RegExp(`usermod -aG ${TEAM} ${OUTSIDER.uid}`));
    await assertOpen(users, { ipcd: ["OUTSIDER"] });
    broker.signal("SIGTERM");
    assert.equal(await broker.exit(), 0);
    const other = await users.sh(OUTSIDER, "ipc daemon run");
    assert.equal(other.code, 78);
    assert.match(other.stderr, new RegExp(`sockets cannot be given to group ${TEAM}`));
    assert.deepEqual([...Deno.readDirSync(users.socket_dir)], []);
  },
);
