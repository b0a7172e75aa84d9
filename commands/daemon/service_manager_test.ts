import assert from "node:assert/strict";
import { ServiceManager } from "./service_manager.ts";

const linux = { ignore: Deno.build.os !== "linux" };

/** A socket as systemd has it, and what arrived there. */
class Manager implements Disposable {
  readonly env: Record<string, string>;
  readonly warnings: string[] = [];
  readonly #socket: Deno.DatagramConn;

  constructor(path: string, env: Record<string, string> = {}) {
    this.#socket = Deno.listenDatagram({ transport: "unixpacket", path });
    this.env = { NOTIFY_SOCKET: path.replace("\0", "@"), ...env };
  }

  get = (name: string) => this.env[name];
  log = { warning: (message: string) => this.warnings.push(message) };

  async next(): Promise<string> {
    const [bytes] = await this.#socket.receive(new Uint8Array(4096));
    return new TextDecoder().decode(bytes);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

Deno.test("ServiceManager tells what happens, in order, by path and by abstract address", linux, async () => {
  const directory = Deno.makeTempDirSync();
  try {
    for (const path of [`${directory}/notify`, `\0ipc-test-${crypto.randomUUID()}`]) {
      using manager = new Manager(path);
      const told = ServiceManager.find(manager.get, manager.log)!;
      told.ready("sockets in /tmp");
      told.reloading();
      told.ready("still with\n  the old one");
      told.stopping("SIGTERM");
      await told.close();
      assert.equal(await manager.next(), "READY=1\nSTATUS=sockets in /tmp");
      const reloading = /^RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=reading/.exec(await manager.next());
      const uptime_s = Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]);
      // Not before the order to reload, and hardly after.
      const ahead_s = Number(reloading![1]) / 1e6 - uptime_s;
      assert.ok(ahead_s > -1 && ahead_s <= 1, `${ahead_s} s`);
      assert.equal(await manager.next(), "READY=1\nSTATUS=still with the old one");
      assert.equal(await manager.next(), "STOPPING=1\nSTATUS=SIGTERM");
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("ServiceManager.watch() reports twice in a period, for its own process only", linux, async () => {
  using manager = new Manager(`\0ipc-test-${crypto.randomUUID()}`, { WATCHDOG_USEC: "100000", WATCHDOG_PID: "7" });
  const told = ServiceManager.find(manager.get, manager.log)!;
  told.watch(manager.get, 8);
  told.ready("");
  assert.match(await manager.next(), /^READY=1/);
  told.watch(manager.get, 7);
  const began = performance.now();
  for (let count = 0; count < 4; count++) assert.equal(await manager.next(), "WATCHDOG=1");
  const took_ms = performance.now() - began;
  assert.ok(took_ms >= 140, `${took_ms} ms`);
  await told.close();
});

Deno.test("ServiceManager never fails: nobody asked, an address of another kind, nobody there", linux, async () => {
  const warnings: string[] = [], log = { warning: (message: string) => warnings.push(message) };
  for (const address of ["", "vsock:2:1234", "relative"]) {
    assert.equal(ServiceManager.find(() => address, log), undefined);
  }
  assert.deepEqual(warnings, []);
  const told = ServiceManager.find((name) => name === "NOTIFY_SOCKET" ? "/nowhere/notify" : undefined, log)!;
  told.ready("");
  told.stopping("");
  await told.close();
  assert.deepEqual(warnings, ["systemd cannot be told anything"]);
});
