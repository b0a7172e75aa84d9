/**
 * Many connections at once by processes of several users, each of which says who it is: whether the broker's listeners
 * hear the same of the kernel.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { PeerCredentials } from "../../daemon/identity.ts";
import { Listener } from "../../daemon/transport/listener.ts";
import { PeerFinder } from "../../daemon/transport/peer_finder.ts";
import { eventually } from "../e2e/wait.ts";
import { figure } from "./figures.ts";
import { STRANGER, type User, Users } from "./users.ts";

/** In more groups than are asked for at first. */
const OTHER: User = { uid: 23_456, gid: 23_456, groups: Array.from({ length: 100 }, (_, at) => 30_000 + at) };
const CHANNELS = 8, PROCESSES = 3;
/** How many may be connected and not known, as a broker has it. */
const STRANGERS_MAX = 64;
/** 100,000 connects have to be waited for. */
const DONE_MS_MAX = 300_000;

/** Fails if one connection is ever taken for another, or none can be told. @param count Connections, of all processes. */
export async function verifyCallers(count: number): Promise<void> {
  await using users = new Users();
  const paths = Array.from({ length: CHANNELS }, (_, at) => users.socket(String(at)));
  const peers = new PeerFinder(), wrong: string[] = [], failed: unknown[] = [];
  let right = 0, strangers = 0, place: PromiseWithResolvers<void> | undefined;

  const check = async (conn: Deno.UnixConn, { pid, uid, gid, groups }: PeerCredentials, at: number): Promise<void> => {
    const bytes = new Uint8Array(1_000), length = await conn.read(bytes).catch(() => null);
    // Not at once, so that numbers come free in no order.
    if (Math.random() < 0.2) await new Promise((resolve) => setTimeout(resolve, 5 * Math.random()));
    const said = new TextDecoder().decode(bytes.subarray(0, length ?? 0)).split("\n")[0];
    const found = `${pid} ${uid} ${gid} ${groups} ${at}`;
    if (said === found) right++;
    else wrong.push(`${said} is not ${found}`);
    conn.close();
    if (--strangers < STRANGERS_MAX) place?.resolve();
  };
  const listeners = await Promise.all(paths.map((path, at) =>
    Listener.bind(path, { mode: 0o666, gid: undefined }, {
      peers,
      accepted(conn, credentials) {
        if (++strangers === STRANGERS_MAX) place = Promise.withResolvers();
        void check(conn, credentials!, at).finally(() => {
          if (Math.random() < 0.9) peers.gone(credentials!); // it must do no harm if that is forgotten
        });
      },
      ready: () => strangers < STRANGERS_MAX ? undefined : place!.promise,
      failed: (error) => failed.push(error),
      rebound() {},
    })
  ));
  const churn = new Churn(users.directory);
  const each = Math.ceil(count / (2 * PROCESSES)), all = 2 * PROCESSES * each;
  for (const user of [STRANGER, OTHER]) {
    for (let process = 0; process < PROCESSES; process++) {
      users.start(user, `/usr/bin/python3 stranger.py tell ${each} ${paths.join(" ")}`);
    }
  }
  await eventually(() => right + wrong.length === all || failed.length > 0, "not all have connected", DONE_MS_MAX);
  await churn.end();
  await Promise.all(listeners.map((listener) => listener.close()));
  peers.close();
  assert.deepEqual([wrong, failed], [[], []]);
  assert.equal(right, all);
  figure(
    9,
    `SO_PEERCRED of ${all} connects by ${2 * PROCESSES} processes of 2 users on ${CHANNELS} channels at once`,
    `${right} right, ${wrong.length} wrong, ${failed.length} unknown`,
    "all right",
  );
}

/** What else a process does with descriptors meanwhile. */
class Churn {
  #over = false;
  readonly #ended: Promise<void>;

  constructor(directory: string) {
    this.#ended = this.#run(`${directory}/churn`);
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#ended;
  }

  async #run(path: string): Promise<void> {
    Deno.writeTextFileSync(path, "");
    for (let open: Deno.FsFile[] = []; !this.#over || open.length > 0;) {
      if (!this.#over) open.push(await Deno.open(path));
      if (!this.#over && open.length <= 20) continue;
      for (const file of open) file.close();
      open = [];
    }
  }
}
