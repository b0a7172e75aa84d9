import { control } from "../../client/mod.ts";
import { startTestBroker } from "../../daemon/testing.ts";
import { openDriver } from "./driver.ts";
import { findProgram } from "./machine.ts";
import type { Broker } from "./peers/peer.ts";
import { Workshop } from "./workshop.ts";

Deno.test({
  name: "Driver.hold() keeps idle connections and full queues until it is told to end",
  ignore: await findProgram("cc") === undefined,
  async fn() {
    await using test = await startTestBroker();
    await using workshop = await Workshop.open();
    const driver = await openDriver(workshop, () => {});
    const request = (method: string, params = {}) => control(method, params, { socket_dir: test.socket_dir });
    await request("open", { channel: "bench" });
    const broker: Broker = {
      protocol: "ipc",
      address: `unix:${test.socket_dir}/.deno.%s.socket`,
      pid: undefined,
      open: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const idle = await driver.hold(broker, { kind: "idle", options: { count: 20 } });
    const { clients } = await request("channel", { channel: "bench" }) as { clients: number };
    if (clients !== 20) throw new Error(`${clients} clients`);
    await idle.finish();
    const full = await driver.hold(broker, { kind: "full", options: { listeners: 2, size: 1024 } });
    const { queued_bytes } = await request("stats") as { queued_bytes: number };
    if (queued_bytes < 8 * 1024 * 1024) throw new Error(`only ${queued_bytes} bytes wait`);
    await full.finish();
  },
});
