import { findProgram } from "./machine.ts";

const compiler = await findProgram("cc") !== undefined;
if (!compiler) console.error("scripts/bench: no C compiler (cc), so the benchmark is not tried");

Deno.test({
  name: "bench --quick measures ours and the relay, and prints JSON",
  ignore: !compiler,
  async fn() {
    const json = JSON.parse(await bench("--quick", "--json", "--case", "events-128"));
    const [one] = json.cases;
    if (json.cases.length !== 1 || one.name !== "events-128") throw new Error(JSON.stringify(json));
    for (const who of ["ipc", "relay"]) {
      if (!(one.contestants[who].per_s.median > 0)) throw new Error(JSON.stringify(one));
    }
    if (json.failures.length > 0 || json.runs !== 1) throw new Error(JSON.stringify(json));
  },
});

Deno.test("bench --case refuses a name that no case has", async () => {
  const { code, stderr } = await run("--case", "nonsense");
  if (code !== 64 || !stderr.includes("nonsense")) throw new Error(`${code}: ${stderr}`);
});

async function bench(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return stdout;
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = new URL("main.ts", import.meta.url).pathname;
  const output = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", main, ...args] }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}
