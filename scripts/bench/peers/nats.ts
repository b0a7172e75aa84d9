/**
 * NATS, core only: no stream on disk.
 *
 * @module
 */
import { findProgram, versionOf } from "../machine.ts";
import { BrokerProcess, type Peer } from "./peer.ts";

/** `nats-server`, if it is installed. */
export async function findNats(): Promise<Peer | undefined> {
  const program = await findProgram("nats-server");
  if (program === undefined) return undefined;
  return {
    name: "nats",
    version: await versionOf(program, "--version"),
    async start(workshop, { core } = {}) {
      const port = freePort(), file = `${workshop.directory}/nats-${port}.conf`;
      await Deno.writeTextFile(file, config(port));
      const process = workshop.start(program, { args: ["-c", file], core });
      return new BrokerProcess("nats", `tcp:127.0.0.1:${port}`, process).ready();
    },
  };
}

/** It has no Unix sockets. A publisher is held up by TCP, so nothing is dropped before `max_pending`. */
function config(port: number): string {
  return [
    'host: "127.0.0.1"',
    `port: ${port}`,
    "max_payload: 64MB",
    "max_pending: 16GB",
    "max_connections: 65536",
    'write_deadline: "60s"',
    'log_file: "/dev/null"',
  ].join("\n");
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
