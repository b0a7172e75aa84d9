const source = new URL("driver.c", import.meta.url).pathname;
const compiler = (await new Deno.Command("sh", { args: ["-c", "command -v cc"] }).output()).success;

Deno.test({
  name: "driver counts each event of the relay in every case",
  ignore: !compiler,
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      const driver = `${directory}/driver`;
      await run("cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", driver, source);
      for (
        const [options, events, deliveries] of [
          ["throughput --publishers 3 --listeners 2 --count 30000 --check", 30_000, 60_000],
          ["throughput --size 65536 --count 100 --window 7", 100, 100],
          ["pairs --pairs 5 --count 1000", 1_000, 1_000],
          ["single --publishers 20 --count 1000", 1_000, 1_000],
          ["pingpong --count 100", 100, 100],
          ["requests --count 100", 100, 100],
          ["requests --requesters 9 --count 900", 900, 900],
        ] as const
      ) {
        const result = JSON.parse(await run(driver, "relay", ...options.split(" ")));
        const counted = Math.round(result.deliveries_per_s / result.events_per_s * result.events);
        if (result.events !== events || Math.abs(counted - deliveries) > 1) {
          throw new Error(`${options}: ${JSON.stringify(result)}`);
        }
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

/** @returns What it wrote to stdout. */
async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
