/**
 * What a benchmark found, as text for people and as JSON for machines.
 *
 * @module
 */
import { type Metric, type Result, SECTIONS, type Target } from "./case.ts";
import type { Machine } from "./machine.ts";
import { figure, type Summary } from "./statistics.ts";
import { judge, type Verdict } from "./targets.ts";

/** All there is to say about a benchmark. */
export interface Report {
  machine: Machine;
  /** By program. */
  versions: Record<string, string>;
  driver: string;
  commit: string;
  date: string;
  runs: number;
  quick: boolean;
  results: Result[];
  /** Cases that could not be measured, and why. */
  failures: { case: string; error: string }[];
  notices: string[];
}

/** The report as a page of Markdown: missed targets first, then all targets, then all figures. */
export function asText(report: Report): string {
  const parts = [head(report)];
  const verdicts = judge(report.results);
  if (verdicts.length > 0) parts.push("## targets, the worst first", table(TARGET_COLUMNS, verdicts.map(targetRow)));
  for (const section of SECTIONS) {
    const results = report.results.filter((result) => result.case.section === section);
    if (results.length > 0) parts.push(`## ${section}`, ...results.map((result) => caseText(result, verdicts)));
  }
  for (const { case: name, error } of report.failures) parts.push(`${name} could not be measured: ${error}`);
  if (report.notices.length > 0) parts.push(report.notices.map((notice) => `- ${notice}`).join("\n"));
  return `${parts.join("\n\n")}\n`;
}

/** The report as one JSON value; fields as in {@link Report}, summaries by case, contestant and metric. */
export function asJson(report: Report): string {
  const { results, ...rest } = report;
  return JSON.stringify({
    ...rest,
    cases: results.map(({ case: { name, title, section, metrics, caution }, contestants }) => ({
      name,
      title,
      section,
      metrics,
      contestants: Object.fromEntries([...contestants].map(([who, all]) => [who, Object.fromEntries(all)])),
      cautions: caution?.(contestants) ?? [],
    })),
    verdicts: judge(results),
  });
}

function head({ machine, versions, driver, commit, date, runs, quick, results }: Report): string {
  const { cpu, cores, memory_gib, kernel, load } = machine;
  const missed = judge(results).filter(({ met }) => !met).length, all = judge(results).length;
  return [
    `# ${all - missed} of ${all} targets reached`,
    "",
    `- ${cpu}, ${cores} cores, ${memory_gib} GiB, ${kernel}; load before: ${load.toFixed(1)}`,
    `- ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")}; driver: ${driver}`,
    `- commit ${commit}, ${date}, medians of ${runs} runs${
      quick ? "; --quick: only to see that everything works" : ""
    }`,
  ].join("\n");
}

const TARGET_COLUMNS = ["case", "target", "measured", ""];

function targetRow(verdict: Verdict): string[] {
  const { value, target, met, margin } = verdict;
  const unit = target.against === undefined ? "" : " x";
  return [verdict.case, targetText(target), figure(value) + unit, met ? "met" : `MISSED: ${percent(margin)} of it`];
}

function targetText({ metric, against, at_least, at_most }: Target): string {
  const bound = at_least === undefined ? `at most ${at_most}` : `at least ${at_least}`;
  return `${metric} ${bound}${against === undefined ? "" : ` x ${against}`}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function caseText(result: Result, verdicts: readonly Verdict[]): string {
  const { case: { name, title, metrics, caution }, contestants } = result;
  const tables = metrics.map((metric) => metricTable(result, metric, verdicts));
  const cautions = (caution?.(contestants) ?? []).map((text) => `- ${text}`).join("\n");
  return [`### ${name}: ${title}`, ...tables, ...cautions === "" ? [] : [cautions]].join("\n\n");
}

/** Numbers that not every case has, beside its own. */
const EXTRAS: readonly [key: string, title: string, format: (value: number) => string][] = [
  ["broker_cpu_us", "broker's CPU, µs each", figure],
  ["driver_busy", "driver busy", percent],
];

function metricTable({ case: { name }, contestants }: Result, metric: Metric, verdicts: readonly Verdict[]): string {
  const own = contestants.get("ipc")?.get(metric.key)?.median;
  const extras = EXTRAS.filter(([key]) => [...contestants.values()].some((summaries) => summaries.has(key)));
  const rows = [...contestants].flatMap(([who, summaries]) => {
    const summary = summaries.get(metric.key);
    if (summary === undefined) return [];
    const verdict = verdicts.find((one) =>
      one.case === name && one.target.metric === metric.key && (one.target.against ?? "ipc") === who
    );
    const ratio = who === "ipc" || own === undefined ? "" : `${figure(own / summary.median)} x`;
    const extra = extras.map(([key, , format]) => summaries.has(key) ? format(summaries.get(key)!.median) : "");
    return [[who, figure(summary.median), spread(summary), ratio, verdictText(verdict), ...extra]];
  });
  return table(["", metric.title, "min .. max", "ipc / it", "target", ...extras.map(([, title]) => title)], rows);
}

function verdictText(verdict: Verdict | undefined): string {
  if (verdict === undefined) return "";
  const { target: { at_least, at_most }, met } = verdict;
  return `${at_least === undefined ? `<= ${at_most}` : `>= ${at_least}`} ${met ? "met" : "MISSED"}`;
}

function spread({ min, max }: Summary): string {
  return `${figure(min)} .. ${figure(max)}`;
}

/** A table in Markdown whose columns also stand below each other. */
function table(columns: readonly string[], rows: readonly string[][]): string {
  const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(columns), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n");
}
