/**
 * docs/wire.md holds what this broker does: its sessions are played against one, and its tables are those of the code.
 *
 * @module
 */
import assert from "node:assert/strict";
import { startBroker } from "../../daemon/mod.ts";
import { testSettings } from "../../daemon/testing.ts";
import { ERROR_CODES, FRAME_TYPES, RULES, socketPath } from "../../protocol/mod.ts";
import { play, readSessions } from "./session.ts";

const PAGE = Deno.readTextFileSync(new URL("../../docs/wire.md", import.meta.url));
/** Channels of the configuration that the page's sessions are on. */
const CHANNELS = ["deploys"];

for (const [name, steps] of readSessions(PAGE)) {
  Deno.test(`docs/wire.md shows in session "${name}" what a broker says`, async () => {
    const socket_dir = Deno.makeTempDirSync({ prefix: "ipc-wire-" }), mask = Deno.umask();
    const settings = testSettings(socket_dir), nothing = () => {};
    const broker = await startBroker({
      settings: { ...settings, channels: new Map(CHANNELS.map((channel) => [channel, settings.defaults])) },
      state_dir: `${socket_dir}/state`,
      version: "1.0.0",
      log: { debug: nothing, info: nothing, warning: nothing, error: (message) => assert.fail(message) },
    });
    Deno.umask(mask);
    try {
      await play(steps, (channel) => Deno.connect({ transport: "unix", path: socketPath(socket_dir, channel) }));
    } finally {
      await broker.drain("the session is over");
      Deno.removeSync(socket_dir, { recursive: true });
    }
  });
}

Deno.test("docs/wire.md has every frame type with its number, direction and flags", () => {
  const rows = [...PAGE.matchAll(/^\| `0x(..)` \| ([A-Z]+) +\| (client|broker|both) +\| ([a-zA-Z,– ]+?) +\|/gm)];
  const NAMES = [[4, "ACK"], [8, "MORE"], [16, "ERROR"], [32, "RETAIN"], [64, "ALL"]] as const;
  const written = rows.map(([, type, name, from, flags]) => [Number(`0x${type}`), name, from, flags]);
  const real = Object.entries(FRAME_TYPES).map(([name, type]) => {
    const rule = RULES[type]!, flags = NAMES.filter(([bit]) => (rule & bit) !== 0).map(([, flag]) => flag);
    return [type, name, ["", "client", "broker", "both"][rule >>> 8], flags.join(", ") || "–"];
  });
  assert.deepEqual(written, real);
});

Deno.test("docs/wire.md has every error code", () => {
  const rows = [...PAGE.matchAll(/^\| (70\d\d) \| ([A-Z_]+) +\|/gm)];
  assert.deepEqual(rows.map(([, code, name]) => [name, Number(code)]), Object.entries(ERROR_CODES));
});
