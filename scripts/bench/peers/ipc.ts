/**
 * Ours, as a user has it: the bundle, started by the script that `deno task install` writes.
 *
 * @module
 */
import { connect } from "../../../client/mod.ts";
import { RUN_FLAGS, VERB_PERMISSIONS } from "../../../commands/permissions.ts";
import { buildProgram } from "../../build.ts";
import { launcher } from "../../install.ts";
import type { Workshop } from "../workshop.ts";
import { type Broker, BrokerProcess, type Peer, type PeerOptions } from "./peer.ts";

/** One that runs, and what its command line needs to find it. */
export interface IpcBroker extends Broker {
  readonly socket_dir: string;
  readonly env: Record<string, string>;
}

/** Ours can do more than a peer must. */
export interface IpcPeer extends Peer {
  start(workshop: Workshop, options?: PeerOptions): Promise<IpcBroker>;
  /** Of the source that it was built from. */
  readonly commit: string;
  /** Path of the `ipc` that is measured. */
  readonly command: string;
}

/** Builds it into the workshop: another build in the middle of a benchmark shall not change what is measured. */
export async function installIpc({ directory }: Workshop): Promise<IpcPeer> {
  const script = `${directory}/ipc`, library = `${directory}/lib`, program = `${library}/cli.js`;
  const { version, commit } = await buildProgram(library);
  await Deno.writeTextFile(script, launcher(Deno.execPath(), program), { mode: 0o755 });
  let count = 0;
  return {
    name: "ipc",
    version,
    commit,
    command: script,
    async start(workshop, { core, cpu_profile } = {}) {
      const socket_dir = `${workshop.directory}/ipc-${count++}`;
      await Deno.mkdir(socket_dir);
      const env = { IPC_SOCKET_DIR: socket_dir, XDG_RUNTIME_DIR: socket_dir, IPC_CONFIG: "/dev/null" };
      const process = cpu_profile === undefined
        ? workshop.start(script, { args: ["daemon", "run"], env, core })
        : workshop.start(Deno.execPath(), { args: [...profiled(cpu_profile), program, "daemon", "run"], env, core });
      return await new IpcProcess(socket_dir, env, process).ready();
    },
  };
}

function profiled(directory: string): string[] {
  return ["run", "--cpu-prof", `--cpu-prof-dir=${directory}`, ...RUN_FLAGS, ...VERB_PERMISSIONS.get("daemon")!];
}

class IpcProcess extends BrokerProcess implements IpcBroker {
  constructor(
    readonly socket_dir: string,
    readonly env: Record<string, string>,
    process: ConstructorParameters<typeof BrokerProcess>[2],
  ) {
    super("ipc", `unix:${socket_dir}/.deno.%s.socket`, process);
  }

  override async open(...channels: string[]): Promise<void> {
    // On one connection, so that a thousand channels are not a thousand visitors too.
    await using ipcd = await connect("ipcd", { socket_dir: this.socket_dir });
    for (const channel of channels) await ipcd.invoke({ method: "open", params: { channel } });
  }
}
