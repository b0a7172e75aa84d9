/**
 * mosquitto, MQTT with quality of service 0.
 *
 * @module
 */
import { findProgram, versionOf } from "../machine.ts";
import { BrokerProcess, type Peer } from "./peer.ts";

/** `mosquitto`, if it is installed. */
export async function findMosquitto(): Promise<Peer | undefined> {
  const program = await findProgram("mosquitto");
  if (program === undefined) return undefined;
  let count = 0;
  return {
    name: "mosquitto",
    version: await versionOf(program, "-h"),
    async start(workshop, { core } = {}) {
      const name = `${workshop.directory}/mosquitto-${count++}`;
      await Deno.writeTextFile(`${name}.conf`, config(`${name}.sock`));
      const process = workshop.start(program, { args: ["-c", `${name}.conf`], core });
      return new BrokerProcess("mqtt", `unix:${name}.sock`, process).ready();
    },
  };
}

function config(socket: string): string {
  return [
    `listener 0 ${socket}`,
    "allow_anonymous true",
    "persistence false",
    "max_queued_messages 0",
    "max_queued_bytes 0",
    "max_inflight_messages 0",
    "max_connections -1",
    "sys_interval 0",
    "log_dest none",
    // Started by root it would become a user who may not write in the benchmark's directory.
    ...Deno.uid() === 0 ? ["user root"] : [],
  ].join("\n");
}
