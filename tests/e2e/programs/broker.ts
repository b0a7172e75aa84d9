import { loadSettings, stateDirectory } from "../../../config/mod.ts";
import { type Broker, startBroker } from "../../../daemon/mod.ts";
import { openLog } from "../../../daemon/log_tape.ts";

const places = { cwd: Deno.cwd(), env: (name: string) => Deno.env.get(name) };
const load = async () => (await loadSettings(places)).settings;
const settings = await load();
const log = await openLog(settings.log);
let broker: Broker | undefined;
Deno.addSignalListener("SIGTERM", () => broker?.drain("SIGTERM"));
Deno.addSignalListener("SIGHUP", () => broker?.reload().catch((error) => log.error(String(error))));
try {
  broker = await startBroker({
    settings,
    state_dir: stateDirectory(places.env),
    version: "0.1.0",
    log,
    reload: load,
  });
  await broker.finished;
  await log.close();
} catch (error) {
  console.error(String(error));
  Deno.exit(1);
}
Deno.exit(0);
