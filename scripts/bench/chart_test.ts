import { drawChart } from "./chart.ts";
import { CASES } from "./cases/mod.ts";
import type { Report } from "./report.ts";
import { summarize } from "./statistics.ts";

const report: Report = {
  machine: { cpu: "CPU <fast> & good", cores: 2, memory_gib: 4, kernel: "linux", load: 0 },
  versions: { ipc: "0.1.0" },
  driver: "C",
  commit: "abc",
  date: "2026-01-01T00:00:00Z",
  runs: 5,
  quick: false,
  results: CASES.map((one) => ({
    case: one,
    contestants: new Map(["ipc", "nats", "relay"].map((name, i) => {
      return [name, new Map(one.metrics.map(({ key }) => [key, summarize([100 + 100 * i])]))] as const;
    })),
  })),
  failures: [],
  notices: [],
};

Deno.test("drawChart() draws ours in its own colour, and not the relay", () => {
  const svg = drawChart(report), count = (text: string) => svg.split(text).length - 1;
  const groups = CASES.filter((one) => one.section !== "what it costs to stand there").length;
  if (count('class="ipc"') !== groups || count('class="other"') !== groups) throw new Error(svg);
});

Deno.test("drawChart() writes well-formed text, for light and dark", () => {
  const svg = drawChart(report);
  if (!svg.includes("CPU &lt;fast&gt; &amp; good")) throw new Error("not escaped");
  if (!svg.includes("prefers-color-scheme: dark")) throw new Error("only light");
  if (svg.includes("NaN") || svg.includes("undefined")) throw new Error("a number is missing");
});
