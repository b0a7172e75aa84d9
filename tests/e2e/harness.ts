/**
 * A directory of a test's own with a broker and other programs in it, all real processes. Whatever happens to the test,
 * none of them is left when the sandbox is disposed of.
 *
 * @module
 */
import { BROKER_ENVIRONMENT, V8_FLAGS } from "../../commands/permissions.ts";
import { Process } from "./process.ts";
import { within } from "./wait.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;
/** Should the test itself be killed, the kernel kills what it has started, even what is stopped. */
const ENDS_WITH_TEST = ["setpriv", "--pdeathsig", "KILL"];
const DENO = [Deno.execPath(), "run", "-q", "-A"];
const BROKER = [`${PROJECT}cli.ts`, "daemon", "run"];

/** A broker's process. */
export class BrokerProcess extends Process {
  /** Whether it comes to serve, rather than to end with an error. */
  async serves(): Promise<boolean> {
    const ended = this.ended.then(() => false);
    return await Promise.race([this.says("broker is ready").then(() => true, () => ended), ended]);
  }
}

/** A program of `programs/`, which speaks JSON lines. */
export class Worker extends Process {
  /** The next object of this type that it tells. */
  // deno-lint-ignore no-explicit-any -- each test knows what its program tells
  tells(type: string, ms?: number): Promise<any> {
    return this.line(
      (line) => {
        const object = JSON.parse(line);
        return object.type === type ? object : undefined;
      },
      `tell "${type}"`,
      ms,
    );
  }

  /** Gives an order, and waits for the answer of the same name. */
  // deno-lint-ignore no-explicit-any -- as above
  async ask(order: string, ms?: number): Promise<any> {
    await this.write(order);
    return await this.tells(order, ms);
  }
}

/** See the module's head. */
export class Sandbox implements AsyncDisposable {
  /** All that is in it goes with the sandbox. */
  readonly directory = Deno.makeTempDirSync({ prefix: "ipc-e2e-" });
  readonly socket_dir = `${this.directory}/sockets`;
  /** The broker's configuration file. */
  readonly config_file = `${this.directory}/ipc.toml`;
  readonly #processes: Process[] = [];

  constructor() {
    Deno.mkdirSync(this.socket_dir);
    Deno.writeTextFileSync(this.config_file, "");
  }

  /** The path of a channel's socket. */
  socket(channel: string): string {
    return `${this.socket_dir}/.deno.${channel}.socket`;
  }

  /**
   * Starts a broker and waits until it serves.
   *
   * @param env Its configuration, as `IPC_*`.
   * @param prefix A command to run it by.
   * @param flags For Deno, beside those that the program that is shipped has for V8.
   */
  async broker(
    env: Record<string, string> = {},
    prefix: readonly string[] = [],
    flags: readonly string[] = [],
  ): Promise<BrokerProcess> {
    const broker = this.tryBroker(env, prefix, flags);
    await broker.says("broker is ready");
    return broker;
  }

  /** Starts a broker, which may well find that it cannot serve. */
  tryBroker(
    env: Record<string, string> = {},
    prefix: readonly string[] = [],
    flags: readonly string[] = [],
  ): BrokerProcess {
    const command = [...ENDS_WITH_TEST, ...prefix, ...DENO, V8_FLAGS, ...flags, ...BROKER];
    return this.#started(new BrokerProcess("the broker", command, this.#options({ ...BROKER_ENVIRONMENT, ...env })));
  }

  /** Starts a program of `programs/`. */
  worker(program: string, given: Record<string, unknown> = {}): Worker {
    return this.program(`tests/e2e/programs/${program}.ts`, given);
  }

  /**
   * Starts a program that speaks as those do.
   *
   * @param path From the project's root.
   */
  program(path: string, given: Record<string, unknown> = {}): Worker {
    const command = [...ENDS_WITH_TEST, ...DENO, `${PROJECT}${path}`, JSON.stringify(given)];
    return this.#started(new Worker(path, command, this.#options({})));
  }

  /** Starts any command, in the sandbox's directory. */
  command(name: string, command: readonly string[], env: Record<string, string> = {}): Worker {
    return this.#started(new Worker(name, [...ENDS_WITH_TEST, ...command], this.#options(env)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(Promise.all(this.#processes.map((process) => process.kill())), "processes cannot be killed");
    Deno.removeSync(this.directory, { recursive: true });
  }

  #started<P extends Process>(process: P): P {
    this.#processes.push(process);
    return process;
  }

  #options(env: Record<string, string>) {
    const inherited: Record<string, string> = {};
    for (const name of ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "LANG"]) {
      const value = Deno.env.get(name);
      if (value !== undefined) inherited[name] = value;
    }
    return {
      cwd: this.directory,
      env: {
        ...inherited,
        NO_COLOR: "1",
        IPC_SOCKET_DIR: this.socket_dir,
        IPC_CONFIG: this.config_file,
        XDG_RUNTIME_DIR: this.directory,
        ...env,
      },
    };
  }
}
