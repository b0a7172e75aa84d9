/**
 * A soak as a picture: memory above, descriptors and clients below, over time.
 *
 * @module
 */
import { DARK_STYLE, picture, STYLE, text } from "../../scripts/svg.ts";
import { asText, type SoakReport } from "./soak.ts";
import { type Sample, warm } from "./verdict.ts";

const WIDTH = 960, HEIGHT = 520, LEFT = 64, RIGHT = 130, TOP = 64, BETWEEN = 36, FOOT = 40, LOWER_HEIGHT = 110;
const UPPER_HEIGHT = HEIGHT - TOP - BETWEEN - LOWER_HEIGHT - FOOT, PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const MIB = 1024 * 1024, MINUTE_MS = 60_000;
/** How many lines a scale has, about. */
const TICKS = 5;

interface Curve {
  name: string;
  value: (sample: Sample) => number;
}

const MEMORY: readonly Curve[] = [
  { name: "RSS", value: ({ rss_bytes }) => rss_bytes / MIB },
  { name: "heap", value: ({ heap_bytes }) => heap_bytes / MIB },
  { name: "external", value: ({ external_bytes }) => external_bytes / MIB },
];
const COUNTS: readonly Curve[] = [
  { name: "descriptors", value: ({ descriptors }) => descriptors },
  { name: "clients", value: ({ clients }) => clients },
  { name: "channels", value: ({ channels }) => channels },
];

const COLOURS = `${STYLE}
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .cold { fill: #afb8c1; opacity: 0.2; }
  .curve { fill: none; stroke-width: 1.5; }
  .c0 { stroke: #0969da; } .c1 { stroke: #bc4c00; } .c2 { stroke: #1a7f37; }
  @media (prefers-color-scheme: dark) {${DARK_STYLE}
    .grid { stroke: #30363d; }
    .c0 { stroke: #4493f8; } .c1 { stroke: #f0883e; } .c2 { stroke: #3fb950; }
  }`;

/** @returns A picture as SVG. */
export function drawSoak(report: SoakReport): string {
  const { samples, ms } = report, counted_from_ms = warm(samples)[0]?.at_ms ?? 0;
  const minutes = (ms / MINUTE_MS).toFixed(ms < 10 * MINUTE_MS ? 1 : 0), said = asText(report).split("\n").at(-1)!;
  const lower = TOP + UPPER_HEIGHT + BETWEEN, x = (at_ms: number) => LEFT + at_ms / Math.max(1, ms) * PLOT_WIDTH;
  const cold = (top: number, height: number) =>
    `<rect class="cold" x="${LEFT}" y="${top}" width="${(x(counted_from_ms) - LEFT).toFixed(1)}" height="${height}"/>`;
  return picture(WIDTH, HEIGHT, "The broker's memory and descriptors over time", COLOURS, [
    text(16, 24, `A broker for ${minutes} minutes`, "head"),
    text(16, 42, `MiB above, how many below; the grey beginning does not count: ${said}.`, "small"),
    cold(TOP, UPPER_HEIGHT),
    ...panel(samples, MEMORY, TOP, UPPER_HEIGHT, x),
    cold(lower, LOWER_HEIGHT),
    ...panel(samples, COUNTS, lower, LOWER_HEIGHT, x),
    ...ticks(ms / MINUTE_MS).map((minute) =>
      text(x(minute * MINUTE_MS) - 4, HEIGHT - FOOT + 16, String(minute), "small")
    ),
    text(LEFT + PLOT_WIDTH + 20, HEIGHT - FOOT + 16, "minutes", "small"),
  ]);
}

function panel(
  samples: readonly Sample[],
  curves: readonly Curve[],
  top: number,
  height: number,
  x: (at_ms: number) => number,
): string[] {
  const most = Math.max(1, ...samples.flatMap((sample) => curves.map(({ value }) => value(sample)))) * 1.05;
  const y = (value: number) => top + height - value / most * height;
  const names = spread(curves.map(({ value }) => samples.length === 0 ? top : y(value(samples.at(-1)!))));
  return [
    ...ticks(most).flatMap((value) => [
      `<line class="grid" x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${y(value).toFixed(1)}" y2="${
        y(value).toFixed(1)
      }"/>`,
      text(16, Math.round(y(value) + 4), String(value), "small"),
    ]),
    ...curves.flatMap(({ name, value }, which) => {
      const points = samples.map((sample) => `${x(sample.at_ms).toFixed(1)},${y(value(sample)).toFixed(1)}`).join(" ");
      const last = samples.at(-1);
      return [
        `<polyline class="curve c${which}" points="${points}"/>`,
        text(LEFT + PLOT_WIDTH + 8, Math.round(names[which]! + 4), last ? `${name} ${Math.round(value(last))}` : name),
      ];
    }),
  ];
}

/** Round numbers up to the most. */
function ticks(most: number): number[] {
  const rough = most / TICKS, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough)!;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}

/** Heights that are far enough apart for a line of text each, in the order of the curves. */
function spread(heights: readonly number[]): number[] {
  const order = heights.map((height, which) => ({ height, which })).sort((a, b) => b.height - a.height),
    result = [...heights];
  let above = Infinity;
  for (const { height, which } of order) above = result[which] = Math.min(height, above - 14);
  return result;
}
