/**
 * The system's service under a real systemd.
 */
import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { figure } from "../faults/figures.ts";
import { exposure, installed, logged, stopDelivers, watchdogRestarts } from "./cases.ts";
import { Lab, withoutLab } from "./lab.ts";

const lab = { ignore: withoutLab() !== undefined };

const LISTING = "find /etc /run /tmp /var/tmp /var/cache /var/log /var/lib/systemd /home " +
  "-not -path '/run/systemd/*' -not -path '/run/log/*' -not -path '/run/deno*' | sort";

Deno.test("ipc service install leaves a hardened service that runs, uninstall leaves nothing", lab, async () => {
  await using lab = await Lab.boot();
  const before = await lab.must(LISTING);
  const { code, stderr } = await lab.sh("ipc service status");
  assert.equal(code, 1, stderr);
  await lab.must("ipc service install");
  assert.match(
    await lab.must("ipc service status"),
    /^ipcd\.service +enabled, active\nipcd\.socket +enabled, active\n/,
  );
  assert.equal(await lab.property("ipcd.service", "StatusText"), "sockets in /tmp");
  const score = await exposure(lab);
  figure(13, "exposure of the system unit, `systemd-analyze security`", String(score), "at most 1.0");
  assert.ok(score <= 1.0);
  // As somebody else, and as nobody but itself.
  const pid = await lab.property("ipcd.service", "MainPID");
  assert.equal(await lab.must(`stat -c %U /proc/${pid}`), "ipc");
  // Again changes nothing, and disturbs nobody.
  const again = await lab.sh("ipc service install");
  assert.doesNotMatch(again.stderr, /wrote/);
  assert.equal(await lab.property("ipcd.service", "MainPID"), pid);
  // A change by hand is seen, and written anew; clients find the new broker.
  await lab.must("sed -i s/WatchdogSec=.*/WatchdogSec=1h/ /etc/systemd/system/ipcd.service");
  assert.match((await lab.sh("ipc service status")).stdout, /ipcd\.service +different/);
  await lab.must("ipc service install");
  assert.notEqual(await lab.property("ipcd.service", "MainPID"), pid);
  await lab.must("ipc ping");
  await lab.must("ipc service uninstall");
  const accounts = /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid|\.pwd)[^/]*$/;
  const rest = (listing: string) => listing.split("\n").filter((path) => !accounts.test(path));
  assert.deepEqual(rest(await lab.must(LISTING)), rest(before));
  assert.equal(await lab.property("ipcd.service", "LoadState"), "not-found");
});

Deno.test(
  "ipc service starts the broker when somebody connects, and lets them wait while it is restarted",
  lab,
  async () => {
    await using lab = await installed();
    await lab.must("systemctl stop ipcd.service");
    assert.equal(await lab.property("ipcd.service", "ActiveState"), "inactive");
    await lab.must("ipc ping", "member");
    assert.equal(await lab.property("ipcd.service", "ActiveState"), "active");
    // Connects while nobody accepts: they are answered by the next broker.
    const pid = await lab.property("ipcd.service", "MainPID");
    const restart = lab.must("systemctl restart ipcd.service");
    await lab.must("for i in 1 2 3 4 5 6 7 8 9 10; do ipc ping -n 1 || exit; done", "member");
    await restart;
    figure(13, "connects to the control socket while the broker is restarted", "10 of 10 answered", "all");
    assert.notEqual(await lab.property("ipcd.service", "MainPID"), pid);
  },
);

Deno.test("systemctl reload reads the configuration again, or keeps the old one and says why", lab, async () => {
  await using lab = await installed();
  const pid = await lab.property("ipcd.service", "MainPID");
  await lab.append("/etc/ipc/config.toml", "[channels.deploys]\n");
  await lab.must("systemctl reload ipcd.service");
  await eventually(async () => (await lab.must("ipc channels", "member")).includes("deploys"), "it was not reloaded");
  await lab.append("/etc/ipc/config.toml", "nonsense = 1\n");
  assert.notEqual((await lab.sh("systemctl reload ipcd.service")).code, 0);
  await logged(lab, /unknown key .*nonsense/);
  assert.equal(await lab.property("ipcd.service", "ActiveState"), "active");
  assert.equal(await lab.property("ipcd.service", "MainPID"), pid);
});

Deno.test("a service that a wrong configuration keeps from starting is brought back by install", lab, async () => {
  await using lab = await installed();
  await lab.append("/etc/ipc/config.toml", "nonsense = 1\n");
  await lab.must("systemctl stop ipcd.service");
  // Each connect starts it, until systemd has seen enough.
  await eventually(async () => {
    await lab.sh("ipc --config /dev/null ping -n 1");
    return await lab.property("ipcd.socket", "ActiveState") === "failed";
  }, "it goes on starting it");
  await logged(lab, /unknown key nonsense/);
  assert.equal((await lab.sh("ipc service install")).code, 78);
  await lab.must("sed -i /nonsense/d /etc/ipc/config.toml; ipc service install; ipc ping -n 1");
});

Deno.test("the watchdog ends a broker that is stopped, and systemd starts another", lab, async () => {
  await using lab = await installed();
  const took = await watchdogRestarts(lab);
  figure(13, "from SIGSTOP of the broker to an answer of the next one", took, "WatchdogSec of 15 s, and a start");
});

Deno.test("systemctl stop delivers all that was accepted", lab, async () => {
  await using lab = await installed();
  const measured = await stopDelivers(lab);
  figure(13, "`systemctl stop` with a listener that reads nothing yet", measured, "all, within 10 s");
});

Deno.test("the system's broker is reached by members of its group and refused to others", lab, async () => {
  await using lab = await installed();
  const listener = lab.spawn("ipc listen --no-autostart -n 1 news", "member").output();
  await lab.must("ipc send --wait=30s news hello", "member");
  assert.equal(new TextDecoder().decode((await listener).stdout), "hello\n");
  assert.equal(
    await lab.must("stat -c '%U %G %a' /tmp/.deno.ipcd.socket /tmp/.deno.news.socket"),
    "root ipc 660\nipc ipc 660",
  );
  const { code, stderr } = await lab.sh("ipc send news hello", "stranger");
  assert.equal(code, 77, stderr);
  for (const channel of ["ipcd", "news"]) {
    const connect = `python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("/tmp/.deno.${channel}.socket")'`;
    assert.match((await lab.sh(connect, "stranger")).stderr, /PermissionError/);
    await lab.must(connect, "member");
  }
});

Deno.test("systemd-tmpfiles spares the sockets, and without its rule it would not", lab, async () => {
  await using lab = await installed();
  await lab.append("/run/tmpfiles.d/short.conf", "d /tmp - - - 1s\n");
  const clean = "systemd-tmpfiles --clean /run/tmpfiles.d/short.conf";
  const inode = () => lab.must("stat -c %i /tmp/.deno.news.socket");
  await lab.must('printf \'%s\' \'{"method":"open","params":{"channel":"news"}}\' | ipc request --json ipcd');
  const before = await inode();
  await lab.must(`sleep 2; ${clean} /etc/tmpfiles.d/ipc.conf`);
  assert.equal(await inode(), before);
  // The broker, with a network namespace of its own, is not seen to listen.
  await lab.must(clean);
  assert.equal((await lab.sh("stat /tmp/.deno.news.socket")).code, 1);
  assert.equal((await lab.sh("stat /tmp/.deno.ipcd.socket")).code, 0);
});

Deno.test("[[listen]] is opened by a drop-in that install adds", lab, async () => {
  await using lab = await installed();
  await lab.append("/etc/ipc/config.toml", '[[listen]]\ntcp = "127.0.0.1:0"\n');
  // Without it the broker does not pretend to listen.
  await lab.must("systemctl reload ipcd.service");
  await eventually(
    async () => /Cannot listen on/.test(await lab.property("ipcd.service", "StatusText")),
    "a listener that nobody can reach was opened",
  );
  assert.match((await lab.sh("ipc service status")).stdout, /tcp\.conf +missing/);
  await lab.must("ipc service install");
  const [, port] = await logged(lab, /\bport=(\d+)/);
  await lab.must(`ipc --connect tcp://127.0.0.1:${port} ping ipcd`);
});

Deno.test("a broker that ran out of descriptors takes connections again", lab, async () => {
  await using lab = await installed();
  // Fewer than connect, and more than are left over for the broker that comes after.
  await lab.append("/etc/systemd/system/ipcd.service.d/few.conf", "[Service]\nLimitNOFILE=600\n");
  await lab.must("systemctl daemon-reload; systemctl restart ipcd.service");
  await lab.append(
    "/tmp/crowd.py",
    `import socket, time
crowd = [socket.socket(socket.AF_UNIX) for _ in range(900)]
retries = 100
for one in crowd:
  one.setblocking(False)
  while retries > 0:
    try: one.connect("/tmp/.deno.ipcd.socket")
    except BlockingIOError: retries -= 1; time.sleep(0.01); continue
    break
time.sleep(3)
`,
  );
  await lab.must("python3 /tmp/crowd.py");
  await eventually(async () => (await lab.sh("ipc ping", "member")).code === 0, "it takes nobody in any more");
  await logged(lab, /takes no connections any more[^]*broker is ready/);
});

Deno.test("ipc service install says what the service's user cannot reach", lab, async () => {
  await using lab = await Lab.boot();
  await lab.must(`chmod 700 ${lab.prefix}`);
  const { code, stderr } = await lab.sh("ipc service install");
  await lab.must(`chmod 755 ${lab.prefix}`);
  assert.equal(code, 69);
  assert.match(
    stderr,
    new RegExp(`cannot reach .*"${lab.prefix}" is closed to it[^]*/usr/local/bin/ipc service install`),
  );
});

Deno.test(
  "ipc service install refuses to take the socket of a broker that runs, and files that are not its own",
  lab,
  async () => {
    await using lab = await Lab.boot();
    await lab.must("mkdir -p /run/root; ipc daemon start");
    const running = await lab.sh("ipc service install");
    assert.equal(running.code, 69);
    assert.match(running.stderr, /a broker runs already .*ipc daemon stop/);
    await lab.must("ipc daemon stop; echo '[Unit]' > /etc/systemd/system/ipcd.socket");
    const { code, stderr } = await lab.sh("ipc service install");
    assert.equal(code, 77);
    assert.match(stderr, /cannot write "\/etc\/systemd\/system\/ipcd\.socket": it was not written by ipc service/);
    assert.equal(
      await lab.must("cat /etc/systemd/system/ipcd.socket; ls /etc/systemd/system"),
      "[Unit]\nipcd.socket\nlab.target",
    );
  },
);
