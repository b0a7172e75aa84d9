/**
 * Where and on what a benchmark was made.
 *
 * @module
 */

/** A machine, as far as it matters. */
export interface Machine {
  cpu: string;
  cores: number;
  memory_gib: number;
  kernel: string;
  /** Other work that it does: the load average of the last minute before. */
  load: number;
}

/** What this process runs on. */
export async function describeMachine(): Promise<Machine> {
  return {
    cpu: await cpuModel(),
    cores: navigator.hardwareConcurrency,
    memory_gib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30 * 10) / 10,
    kernel: `${Deno.build.os} ${Deno.osRelease()}`,
    load: Deno.loadavg()[0]!,
  };
}

async function cpuModel(): Promise<string> {
  try {
    return /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return Deno.build.arch;
    throw error;
  }
}

/** CPU time that a process has used so far, or `undefined` where there is no /proc. */
export async function cpuSeconds(pid: number): Promise<number | undefined> {
  const TICKS_PER_S = 100;
  const stat = await readProc(pid, "stat");
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

/** Memory that a process holds, or `undefined` where there is no /proc. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readProc(pid, "status") ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

async function readProc(pid: number, file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(`/proc/${pid}/${file}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Where a program is: on the PATH, or where Debian puts servers. */
export async function findProgram(name: string): Promise<string | undefined> {
  const places = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  for (const place of places) {
    const path = `${place}/${name}`;
    try {
      const { isFile, mode } = await Deno.stat(path);
      if (isFile && ((mode ?? 0) & 0o111) !== 0) return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  return undefined;
}

/** What a program says to `--version`, or the like; its first line. */
export async function versionOf(program: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr);
  return /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? "unknown";
}
