/**
 * Ours, as a user has it: the bundle, started by the script that `deno task install` writes.
 *
 * @module
 */
import { control } from "../../../client/mod.ts";
import type { BuildInfo } from "../../../commands/build_info.ts";
import { RUN_FLAGS, VERB_PERMISSIONS } from "../../../commands/permissions.ts";
import { DIST } from "../../build.ts";
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
  /** Path of the `ipc` that is measured. */
  command(workshop: Workshop): Promise<string>;
}

/** @param build What is in dist/. */
export function ipcPeer(build: BuildInfo): IpcPeer {
  let installed: Promise<Installed> | undefined, count = 0;
  return {
    name: "ipc",
    version: `${build.version} (${build.commit})`,
    async command(workshop) {
      return (await (installed ??= install(workshop))).script;
    },
    async start(workshop, { core, cpu_profile } = {}) {
      const { script, program } = await (installed ??= install(workshop));
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
    for (const channel of channels) await control("open", { channel }, { socket_dir: this.socket_dir });
  }
}

interface Installed {
  script: string;
  program: string;
}

/** Copies the bundle: another build in the middle of a benchmark shall not change what is measured. */
async function install({ directory }: Workshop): Promise<Installed> {
  const script = `${directory}/ipc`, library = `${directory}/lib`, program = `${library}/cli.js`;
  await Deno.mkdir(library);
  for await (const { name } of Deno.readDir(DIST)) await Deno.copyFile(`${DIST}/${name}`, `${library}/${name}`);
  await Deno.writeTextFile(script, launcher(Deno.execPath(), program), { mode: 0o755 });
  return { script, program };
}
