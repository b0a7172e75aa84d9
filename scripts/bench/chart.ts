/**
 * The chart for the README: a group of bars for each case, in the colours that the reader's system prefers.
 *
 * @module
 */
import type { Result } from "./case.ts";
import type { Report } from "./report.ts";
import { DARK_STYLE, escaped, picture, STYLE, text } from "../svg.ts";
import { figure } from "./statistics.ts";

const WIDTH = 960, COLUMNS = 2, GAP = 40, MARGIN = 16;
const COLUMN = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS;
const TITLE_HEIGHT = 24, BAR_HEIGHT = 13, BAR_STEP = 17, GROUP_GAP = 16, HEAD = 58, FOOT = 40;
const NAME_WIDTH = 100, VALUE_WIDTH = 64;

/** The relay is no broker, and a process that does nothing no rival. */
const NOT_DRAWN = ["relay", "true"];
const SECTIONS = ["brokers", "client libraries", "command line"];

const COLOURS = `${STYLE}
  .ipc { fill: #0969da; }
  .other { fill: #afb8c1; }
  @media (prefers-color-scheme: dark) {${DARK_STYLE}
    .ipc { fill: #4493f8; }
    .other { fill: #565f6a; }
  }`;

/** @returns A picture as SVG. */
export function drawChart(report: Report): string {
  const results = report.results.filter((one) => SECTIONS.includes(one.case.section) && bars(one).length > 1);
  const columns = inColumns(results);
  const height = HEAD + Math.max(0, ...columns.map(heightOf)) + FOOT;
  const { machine: { cpu, cores, kernel }, versions, commit, date } = report;
  const made = `${cpu}, ${cores} cores, ${kernel}; medians of ${report.runs} runs, commit ${commit}, ${
    date.slice(0, 10)
  }`;
  const against = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return picture(WIDTH, height, "ipc and other brokers on one machine", COLOURS, [
    text(MARGIN, 24, "ipc and other brokers on one machine, in one run", "head"),
    text(
      MARGIN,
      42,
      "Medians of one run; the bars of a group share a scale. Longer is better unless a group says otherwise.",
      "small",
    ),
    ...columns.flatMap((column, i) => drawColumn(column, MARGIN + i * (COLUMN + GAP))),
    text(MARGIN, height - 24, made, "small"),
    text(MARGIN, height - 8, against, "small"),
  ]);
}

function bars({ case: { metrics }, contestants }: Result): { name: string; value: number }[] {
  return [...contestants].flatMap(([name, summaries]) => {
    const value = summaries.get(metrics[0]!.key)?.median;
    return value === undefined || NOT_DRAWN.includes(name) ? [] : [{ name, value }];
  });
}

function groupHeight(result: Result): number {
  return TITLE_HEIGHT + bars(result).length * BAR_STEP + GROUP_GAP;
}

function heightOf(results: readonly Result[]): number {
  return results.reduce((sum, result) => sum + groupHeight(result), 0);
}

/** In order, so that the columns are about as high as each other. */
function inColumns(results: readonly Result[]): Result[][] {
  const columns: Result[][] = Array.from({ length: COLUMNS }, () => []), all = heightOf(results);
  let before = 0;
  for (const result of results) {
    columns[Math.min(COLUMNS - 1, Math.floor((before + groupHeight(result) / 2) / (all / COLUMNS)))]!.push(result);
    before += groupHeight(result);
  }
  return columns;
}

function drawColumn(results: readonly Result[], left: number): string[] {
  let top = HEAD;
  return results.flatMap((result) => {
    const group = drawGroup(result, left, top);
    top += groupHeight(result);
    return group;
  });
}

function drawGroup(result: Result, left: number, top: number): string[] {
  const { case: { title, metrics } } = result, metric = metrics[0]!;
  const all = bars(result), most = Math.max(...all.map(({ value }) => value));
  const room = COLUMN - NAME_WIDTH - VALUE_WIDTH,
    unit = metric.better === "less" ? `${metric.title}, shorter is better` : metric.title;
  return [
    `<text x="${left}" y="${top + 15}"><tspan class="title">${
      escaped(short(title))
    }</tspan><tspan class="small" dx="8">${escaped(unit)}</tspan></text>`,
    ...all.flatMap(({ name, value }, i) => {
      const y = top + TITLE_HEIGHT + i * BAR_STEP, width = Math.max(1, value / most * room);
      return [
        text(left, y + 11, name),
        `<rect class="${name === "ipc" ? "ipc" : "other"}" x="${left + NAME_WIDTH}" y="${y}" width="${
          width.toFixed(1)
        }" height="${BAR_HEIGHT}" rx="2"/>`,
        text(left + NAME_WIDTH + width + 6, y + 11, figure(value), "number"),
      ];
    }),
  ];
}

/** A title up to its first side remark. */
function short(title: string): string {
  return title.replaceAll("`", "").split(", ").slice(0, 2).join(", ");
}
