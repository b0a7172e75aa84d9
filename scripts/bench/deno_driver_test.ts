import { startTestBroker } from "../../daemon/testing.ts";
import { control } from "../../client/mod.ts";

const driver = new URL("deno_driver.ts", import.meta.url).pathname;

Deno.test("deno_driver counts every byte of each listener, and times events one by one", async () => {
  await using broker = await startTestBroker();
  await control("open", { channel: "bench" }, { socket_dir: broker.socket_dir });
  for (const load of ["throughput --listeners 2 --count 20000", "pingpong --count 100 --size 128"]) {
    const address = `unix:${broker.socket_dir}/.deno.%s.socket`;
    const args = ["run", "-A", driver, "ipc", ...load.split(" ").toSpliced(1, 0, "--address", address)];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const result = JSON.parse(new TextDecoder().decode(stdout));
    const fine = load.startsWith("throughput") ? result.events === 20_000 : result.p50_us <= result.p99_us;
    if (!fine || !(result.events_per_s > 0)) throw new Error(JSON.stringify(result));
  }
});
