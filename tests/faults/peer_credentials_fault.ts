import assert from "node:assert/strict";
import { Listener } from "../../daemon/transport/listener.ts";
import { PeerFinder, type PeerWatch } from "../../daemon/transport/peer_finder.ts";
import { eventually } from "../e2e/wait.ts";
import { verifyCallers } from "./callers.ts";
import { figure } from "./figures.ts";
import { WITH_USERS } from "./users.ts";

const CONNECTS = 5_000;
/** Ten times what was measured: a machine may be busy. */
const FIND_US_MAX = 50;

/** Times what a finder does. */
class TimedFinder extends PeerFinder {
  spent_ms = 0;

  override watch(path: string): PeerWatch {
    const { next, end } = super.watch(path);
    return {
      next: () => {
        const began_ms = performance.now(), found = next();
        this.spent_ms += performance.now() - began_ms;
        return found;
      },
      end,
    };
  }
}

for (const [idle, channels] of [[0, 1], [0, 200], [4_500, 1], [4_500, 200]] as const) {
  Deno.test({
    name: `finding out who connects takes microseconds: ${idle} other connections, ${channels} channels`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      const directory = Deno.makeTempDirSync({ prefix: "ipc-peers-" }), peers = new TimedFinder();
      const paths = Array.from({ length: channels }, (_, at) => `${directory}/${at}`);
      const held: Deno.Conn[] = [];
      let accepted = 0, measuring = false;
      const listeners = await Promise.all(paths.map((path) =>
        Listener.bind(path, { mode: 0o600, gid: undefined }, {
          peers,
          accepted(conn, credentials) {
            accepted++;
            assert.equal(credentials?.pid, Deno.pid);
            if (!measuring) return void held.push(conn);
            conn.close();
            peers.gone(credentials);
          },
          ready: () => undefined,
          failed(error) {
            throw error;
          },
          rebound() {},
        })
      ));
      const connect = (at: number) => Deno.connect({ transport: "unix", path: paths[at % channels]! });
      for (let at = 0; at < idle; at++) held.push(await connect(at));
      await eventually(() => accepted === idle, "not all were accepted");
      measuring = true;
      peers.spent_ms = 0;
      for (let at = 0; at < CONNECTS; at++) (await connect(at)).close();
      await eventually(() => accepted === idle + CONNECTS, "not all were accepted");
      const each_us = peers.spent_ms / CONNECTS * 1_000;
      figure(
        9,
        `SO_PEERCRED for each of ${CONNECTS} connects, ${idle} others open on ${channels} channels`,
        `${each_us.toFixed(1)} us`,
        `at most ${FIND_US_MAX} us`,
      );
      assert(each_us <= FIND_US_MAX);
      for (const conn of held) conn.close();
      for (const listener of listeners) await listener.close();
      peers.close();
      Deno.removeSync(directory, { recursive: true });
    },
  });
}

Deno.test(
  "no connection is taken for another, whoever connects at the same time: 120,000 connects",
  WITH_USERS,
  async () => {
    await verifyCallers(120_000);
  },
);
