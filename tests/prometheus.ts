/**
 * Reads Prometheus' text format, version 0.0.4, and is stricter than Prometheus: what its conventions and `promtool check
 * metrics` complain about is an error here.
 *
 * @module
 */

/** What was read of one name. */
export interface Family {
  type: string;
  help: string;
  /** By label set, as `a="b",c="d"` with values unescaped and labels in their order; "" for none. */
  samples: Map<string, number>;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/, LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** Base units only. */
const NO_UNITS = /_(?:ms|milliseconds|minutes|hours|kib|mib|kb|mb|percent)(?:_|$)/;

/** @throws {Error} Naming the line and what is wrong with it. */
export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  let current: { name: string; family: Family } | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line.startsWith("# HELP ")) {
      const [, name, said] = /^# HELP (\S+) (.+)$/.exec(line) ?? fail("no HELP");
      help = { name: name!, text: unescape(said!, fail, false) };
    } else if (line.startsWith("# TYPE ")) {
      const [, name, type] = /^# TYPE (\S+) (counter|gauge)$/.exec(line) ?? fail("no TYPE");
      if (!NAME.test(name!)) fail("no name");
      if (help?.name !== name) fail("HELP does not stand before it");
      if (families.has(name!)) fail("twice");
      if ((type === "counter") !== name!.endsWith("_total")) fail("a counter, and nothing else, ends in _total");
      if (NO_UNITS.test(name!)) fail("not a base unit");
      const family = { type: type!, help: help!.text, samples: new Map<string, number>() };
      families.set(name!, family);
      current = { name: name!, family };
      help = undefined;
    } else {
      if (help !== undefined) fail("HELP without TYPE");
      const [, name, labels, number] = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? fail("no sample");
      if (name !== current?.name) fail("not under its TYPE");
      const value = Number(number);
      if (!Number.isFinite(value) || (current!.family.type === "counter" && value < 0)) fail("no such value");
      const set = labels === undefined ? "" : labelSet(labels, fail);
      if (current!.family.samples.has(set)) fail("twice");
      current!.family.samples.set(set, value);
    }
  }
  for (const [name, { samples }] of families) if (samples.size === 0) throw new Error(`${name} has no samples`);
  return families;
}

function labelSet(text: string, fail: (why: string) => never): string {
  const pairs: string[] = [], seen = new Set<string>();
  for (let at = 0; at < text.length;) {
    const [whole, name, value] = /^([^=]+)="((?:[^"\\]|\\.)*)"(?:,(?=.)|$)/.exec(text.slice(at)) ?? fail("no labels");
    if (!LABEL.test(name!) || seen.has(name!)) fail("no label");
    seen.add(name!);
    pairs.push(`${name}="${unescape(value!, fail, true)}"`);
    at += whole!.length;
  }
  return pairs.join(",");
}

function unescape(text: string, fail: (why: string) => never, quotes: boolean): string {
  return text.replace(/\\(.?)/g, (_, character: string) => {
    if (character === "n") return "\n";
    if (character === "\\" || (quotes && character === '"')) return character;
    return fail("no such escape");
  });
}
