/**
 * Metrics in the text format that Prometheus reads, version 0.0.4.
 *
 * @module
 */

/** A sample: its labels, by name, and its value. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** All samples of one name. */
export interface Metric {
  /** Ends in `_total` for a counter, in its unit for anything else that has one. */
  name: string;
  /** A counter only grows until the broker is started again; a gauge goes up and down. */
  type: "counter" | "gauge";
  help: string;
  samples: readonly Sample[];
}

/** Metrics as Prometheus reads them. What stands in a label is escaped. */
export function expositionText(metrics: readonly Metric[]): string {
  return metrics.map(({ name, type, help, samples }) =>
    `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n` +
    samples.map(([labels, value]) => `${name}${labelsText(labels)} ${value}\n`).join("")
  ).join("");
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
