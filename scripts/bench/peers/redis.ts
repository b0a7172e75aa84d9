/**
 * Redis' pub/sub.
 *
 * @module
 */
import { findProgram, versionOf } from "../machine.ts";
import { BrokerProcess, type Peer } from "./peer.ts";

/** `redis-server`, if it is installed. */
export async function findRedis(): Promise<Peer | undefined> {
  const program = await findProgram("redis-server");
  if (program === undefined) return undefined;
  let count = 0;
  return {
    name: "redis",
    version: await versionOf(program, "--version"),
    async start(workshop, { core } = {}) {
      const name = `${workshop.directory}/redis-${count++}`;
      await Deno.writeTextFile(`${name}.conf`, config(`${name}.sock`, workshop.directory));
      const process = workshop.start(program, { args: [`${name}.conf`], core });
      return new BrokerProcess("redis", `unix:${name}.sock`, process).ready();
    },
  };
}

function config(socket: string, directory: string): string {
  return [
    "port 0",
    `unixsocket ${socket}`,
    `dir ${directory}`,
    "daemonize no",
    'save ""',
    "appendonly no",
    "maxclients 65000",
    "timeout 0",
    "client-output-buffer-limit normal 0 0 0",
    "client-output-buffer-limit pubsub 0 0 0",
    "client-query-buffer-limit 1gb",
    "loglevel warning",
  ].join("\n");
}
