import assert from "node:assert/strict";
import { connect, control, IpcError } from "../../client/mod.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { startCanaries } from "./canaries.ts";
import { CAN_COMPILE, helloBytes, startCrowd } from "./crowd.ts";
import { figure } from "./figures.ts";

const DESCRIPTORS = 64, CLIENTS = 120;
const LIMITED = ["sh", "-c", `ulimit -n ${DESCRIPTORS} && exec "$@"`, "sh"];
/** How long a broker without descriptors is watched, and how busy it may be meanwhile, with its canaries. */
const WATCH_MS = 5_000, BUSY_MAX = 0.5;
/** By then those who wait for a descriptor must have been accepted. */
const ACCEPT_MS_MAX = 6_000;

const RULES = `[channels.jobs]
max_message = "2KiB"

[channels.jobs.access]
send = { deny = ["name:stranger"] }
`;

Deno.test({
  name: "broker with 64 descriptors and 120 clients goes on, accepts again when it can, and a reload keeps its rules",
  ignore: !CAN_COMPILE,
  async fn() {
    await using sandbox = new Sandbox();
    Deno.writeTextFileSync(sandbox.config_file, RULES);
    const broker = await sandbox.broker({}, LIMITED);
    await using stranger = await connect("jobs", { ...sandbox, name: "stranger" });
    const kept = async () => {
      await assert.rejects(
        stranger.broadcast("no", { ack: true }),
        (error) => error instanceof IpcError && error.reason === "FORBIDDEN",
      );
    };
    await kept();
    // They have what they need before the others come; with all that a broker has open it is nearly everything.
    await using canaries = await startCanaries(sandbox);
    await eventually(async () => await canaries.received() > 4_000, "the canaries do not sing");
    const calm_ms = await busy(broker);
    const crowd = await startCrowd(sandbox, sandbox.socket("jobs"), {
      at_once: CLIENTS,
      say: [helloBytes({ name: "one of many" })],
      again: false,
    });
    await broker.says("cannot accept connections");
    const used_ms = await busy(broker);
    assert(broker.running);
    assert(broker.descriptors() >= DESCRIPTORS, `it has ${broker.descriptors()} open only`);

    // It cannot open its file now. What it has holds.
    const before = broker.stderr.split("could not be read again").length;
    broker.signal("SIGHUP");
    await eventually(
      () => broker.stderr.split("could not be read again").length > before || broker.stderr.includes("was read again"),
      "nothing is said of the reload",
    );
    const said = broker.stderr.includes("was read again") ? "read again" : "refused";
    await kept();
    await assert.rejects(stranger.broadcast("x".repeat(4096)), IpcError);

    const start_ms = performance.now();
    await crowd.end();
    await using late = await connect("jobs", { ...sandbox, connect_timeout_ms: 60_000 });
    await late.flush();
    const accepted_ms = Math.round(performance.now() - start_ms);
    await kept();
    await control("reload", {}, sandbox);
    await kept();
    const report = await canaries.stop();
    const share = (ms: number) => `${Math.round(ms / WATCH_MS * 100)} % of a processor`;
    figure(6, `${DESCRIPTORS} descriptors, ${CLIENTS} clients, for ${WATCH_MS / 1_000} s`, share(used_ms), `<= 50 %`);
    figure(6, "the same broker before that", share(calm_ms), "-");
    figure(6, "a reload without descriptors", `${said}, rules kept`, "rules kept");
    figure(6, "accepts again", `${accepted_ms} ms after they were free`, `<= ${ACCEPT_MS_MAX} ms`);
    figure(6, "the others meanwhile", `${report}`, "nothing lost");
    report.assertFaultless();
    assert(used_ms <= WATCH_MS * BUSY_MAX, `the broker was busy for ${used_ms} of ${WATCH_MS} ms`);
    assert(accepted_ms <= ACCEPT_MS_MAX, `it took ${accepted_ms} ms`);
  },
});

/** How much processor time a broker takes while it is watched. */
async function busy(broker: { processorMs(): number }): Promise<number> {
  const before_ms = broker.processorMs();
  await pause(WATCH_MS);
  return broker.processorMs() - before_ms;
}
