/**
 * Fails where a file imports what its layer may not know, or does what its layer may not do. ARCHITECTURE.md says why; the
 * tables below are that page's rules, to be changed together with it.
 *
 * The import graph is Deno's own (`deno info --json`), dynamic and type-only imports included. What files do is looked for
 * in their text without comments and strings.
 *
 * @module
 */
import { codeOnly, lineOf } from "./source_code.ts";

/** A set of files and whom they may import. A file belongs to the first layer that its path fits. */
interface Layer {
  name: string;
  /** Fits the path from the project's root, with `/`. */
  files: RegExp;
  /** Layers that it may import, beside itself. */
  imports: readonly string[];
  /** Layers that it may only load when they are needed, by `import()`; types may be named. */
  lazily?: readonly string[];
  /** Layers of which it may only know the types. */
  types?: readonly string[];
  /** Beginnings of the bare specifiers that it may import: npm packages and `node:`. None if left out. */
  packages?: readonly string[];
  /** Its files do not even import each other. */
  apart?: true;
  /** No rule at all holds here. */
  exempt?: true;
}

/** The one file that loads msgpackr. */
const STRUCTURED = "protocol/structured_clone";
/** What the router and all above it work on. */
const DATA = ["protocol", "daemon/buffers", "daemon/identity", "daemon/data", "daemon/registry", "daemon/quota"];
/** Above the router. */
const INNER = [...DATA, "daemon/router"];

/** Who may import whom: downwards only. */
const LAYERS: readonly Layer[] = [
  { name: "tests", files: /^tests\/|_test\.ts$|(^|\/)testing\.ts$/, imports: [], exempt: true },
  { name: "scripts", files: /^scripts\//, imports: [], exempt: true },
  { name: "version", files: /^deno\.json$/, imports: [] },
  // Loaded when the first structured payload comes.
  {
    name: STRUCTURED,
    files: /^protocol\/structured_clone\.ts$/,
    imports: ["protocol"],
    packages: ["msgpackr/"],
  },
  { name: "protocol", files: /^protocol\//, imports: [] },
  { name: "config", files: /^config\//, imports: ["protocol"], packages: ["smol-toml", "valibot"] },
  // For Node.js: the build puts it in the place of client/runtime_deno.ts.
  { name: "client/node", files: /^client\/runtime_node\.ts$/, imports: ["client"], packages: ["node:"] },
  { name: "client", files: /^client\//, imports: ["protocol"], lazily: [STRUCTURED] },
  // The memory that all below share.
  { name: "daemon/buffers", files: /^daemon\/buffer_pool\.ts$/, imports: ["protocol"] },
  { name: "daemon/identity", files: /^daemon\/identity\.ts$/, imports: [] },
  { name: "daemon/quota", files: /^daemon\/quota\.ts$/, imports: ["protocol", "daemon/identity"] },
  // A channel of the registry holds its parts, which know neither it nor each other.
  {
    name: "daemon/registry",
    files: /^daemon\/registry\.ts$/,
    imports: ["protocol", "daemon/buffers", "daemon/identity", "daemon/data", "daemon/quota"],
  },
  {
    name: "daemon/transport",
    files: /^daemon\/transport\//,
    imports: ["protocol", "daemon/buffers", "daemon/identity", "daemon/quota"],
    packages: ["node:"],
  },
  { name: "daemon/router", files: /^daemon\/router\//, imports: DATA },
  { name: "daemon/control", files: /^daemon\/control\//, imports: INNER },
  {
    name: "daemon/dialects",
    files: /^daemon\/dialects\//,
    imports: [...INNER, "daemon/transport"],
    lazily: [STRUCTURED],
  },
  {
    name: "daemon/mod",
    files:
      /^daemon\/(mod|broker|delivery|lock|log|log_tape|relief|reload_check|reports|settings_view|channel_sockets|shared_listeners|tokens)\.ts$/,
    imports: [...INNER, "daemon/transport", "daemon/control", "daemon/dialects"],
    types: ["config"],
    packages: ["node:", "@logtape/"],
  },
  {
    name: "daemon/data",
    files: /^daemon\/[^/]+\.ts$/,
    imports: ["protocol", "daemon/buffers", "daemon/identity"],
    apart: true,
  },
  {
    name: "commands",
    files: /^commands\//,
    imports: ["protocol", "client", "config", "version"],
    lazily: ["daemon/mod", STRUCTURED],
    packages: ["commander", "@commander-js/"],
  },
  {
    name: "cli",
    files: /^cli\.ts$/,
    imports: ["protocol", "client", "config", "commands"],
    lazily: ["daemon/mod"],
    packages: ["commander", "@commander-js/"],
  },
];

/** Something that only some may do. */
interface Habit {
  /** What is wrong, as the rest of the sentence that begins with the place. */
  message: string;
  pattern: RegExp;
  /** The layers that it holds for; all if left out. */
  layers?: readonly string[];
  /** Layers and files that may. */
  except?: readonly string[];
  /** That many files of a layer may. */
  files_max?: number;
}

/** What computes and does nothing else. The router may still give its caller a promise to wait for. */
const PURE = [...INNER, STRUCTURED];

const HABITS: readonly Habit[] = [
  { message: "ends the process; only cli.ts may", pattern: /\b(?:Deno|process)\.exit\b/g, except: ["cli"] },
  {
    message: "reads the environment; only cli.ts and commands/ may, and hand it down",
    pattern: /\b(?:Deno|process)\.env\b/g,
    except: ["cli", "commands", "client", "client/node"],
  },
  {
    message: "reads the environment; one file of client/ already does",
    pattern: /\bDeno\.env\b/g,
    layers: ["client"],
    files_max: 1,
  },
  {
    message: "does not name Deno in full: write Deno.<what>, so that these rules can be checked",
    pattern: /\bDeno\b(?!\s*\??\.|\s*:)/g,
  },
  {
    message: "performs I/O; protocol/ and the daemon's data and router may not",
    pattern: /\bDeno\s*\??\.|\bfetch\s*\(|\bconsole\s*\./g,
    layers: PURE,
  },
  {
    message: "waits; protocol/ and the daemon's data and router never do",
    pattern: /\b(?:async|await)\b/g,
    layers: PURE,
  },
  {
    message: "reads a clock or sets a timer; protocol/ has none",
    pattern:
      /\bDate\.now\b|\bnew Date\b\s*(?!\(\s*[^)\s])|\bperformance\b|\bTemporal\.Now\b|\b(?:setTimeout|setInterval)\b/g,
    layers: ["protocol", STRUCTURED],
  },
  {
    message: "imports what cannot be known before it runs: write the path as a string",
    pattern: /\bimport\s*\((?!\s*["'])/g,
  },
];

/** What must not be loaded when a program starts, however many files away: `ipc send` is called in loops by shells. */
interface Start {
  file: string;
  /** Layers, and beginnings of bare specifiers. */
  never: readonly string[];
}

const HEAVY = ["daemon/mod", "node:", "msgpackr", "smol-toml", "valibot", "@logtape/"] as const;
const STARTS: readonly Start[] = [
  { file: "cli.ts", never: HEAVY },
  { file: "client/mod.ts", never: HEAVY },
  { file: "commands/send.ts", never: HEAVY },
];

/** One import of one file, as `deno info` tells it. */
interface Import {
  /** As it is written. */
  specifier: string;
  /** Path from the root, or `undefined` if it is a package. */
  path: string | undefined;
  /** There is no such file. */
  missing: boolean;
  line: number;
  kind: "static" | "dynamic" | "type";
}

type Graph = Map<string, Import[]>;

/**
 * Checks a tree.
 *
 * @param root The project's directory.
 * @param starts Files whose static imports must stay light.
 * @returns One line per finding, `file:line: what is wrong`, in the order of files and lines; empty if all is well.
 * @throws {Error} If the graph cannot be read, naming what `deno info` said.
 */
export async function lintLayers(root: string, starts: readonly Start[] = STARTS): Promise<string[]> {
  const files = sourceFiles(root);
  const graph = await importGraph(root, files);
  const findings: [file: string, line: number, message: string][] = [];
  for (const [file, imports] of graph) {
    for (const found of imports) {
      const message = judge(file, found);
      if (message) findings.push([file, found.line, message]);
    }
  }
  const seen = new Map<Habit, Set<string>>();
  for (const file of files) {
    const layer = layerOf(file);
    if (!layer) findings.push([file, 1, "belongs to no layer: add it to the table in scripts/lint_layers.ts"]);
    else if (!layer.exempt) findings.push(...habits(file, layer, Deno.readTextFileSync(`${root}/${file}`), seen));
  }
  for (const start of starts) findings.push(...heavy(start, graph));
  findings.sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1]);
  return findings.map(([file, line, message]) => `${file}:${line}: ${message}`);
}

function layerOf(file: string): Layer | undefined {
  return LAYERS.find((layer) => layer.files.test(file));
}

/** What is wrong with an import, if anything is. */
function judge(file: string, { specifier, path, missing, kind }: Import): string | undefined {
  const from = layerOf(file);
  if (!from || from.exempt) return undefined;
  if (path === undefined) {
    if (from.packages?.some((start) => specifier.startsWith(start))) return undefined;
    const allowed = from.packages?.join(", ") ?? "no package";
    return `imports "${specifier}", but ${from.name} may import ${allowed}`;
  }
  if (missing) return `imports "${specifier}", but there is no such file`;
  const to = layerOf(path);
  if (to === undefined) return `imports "${specifier}", which belongs to no layer`;
  if (to === from) {
    return from.apart ? `imports "${specifier}", but the files of ${from.name} may not import each other` : undefined;
  }
  if (from.imports.includes(to.name)) return undefined;
  if (from.types?.includes(to.name)) {
    if (kind === "type") return undefined;
    return `imports "${specifier}", but ${from.name} may only import types of ${to.name}: write "import type"`;
  }
  if (from.lazily?.includes(to.name)) {
    if (kind !== "static") return undefined;
    return `imports "${specifier}", but ${from.name} may load ${to.name} only by import() when it is needed`;
  }
  const all = [...from.imports, ...(from.lazily ?? []), ...(from.types ?? [])].join(", ") || "no other layer";
  return `imports "${specifier}" of ${to.name}, but ${from.name} may import ${all}`;
}

function habits(file: string, layer: Layer, source: string, seen: Map<Habit, Set<string>>): [string, number, string][] {
  let code: string;
  try {
    code = codeOnly(source);
  } catch (error) {
    return [[file, 1, `cannot be read by scripts/source_code.ts: ${(error as Error).message}`]];
  }
  const findings: [string, number, string][] = [];
  for (const habit of HABITS) {
    if (habit.layers && !habit.layers.includes(layer.name)) continue;
    if (habit.except?.some((name) => name === layer.name || name === file)) continue;
    for (const match of code.matchAll(habit.pattern)) {
      if (habit.files_max !== undefined) {
        const files = seen.get(habit) ?? new Set();
        seen.set(habit, files);
        if (files.has(file) || files.size < habit.files_max) {
          files.add(file);
          continue;
        }
      }
      findings.push([file, lineOf(source, match.index), `"${match[0].trim()}" ${habit.message}`]);
    }
  }
  return findings;
}

/** What a start loads that it should not, each with the way there. */
function heavy({ file, never }: Start, graph: Graph): [string, number, string][] {
  if (!graph.has(file)) return [[file, 1, "is named as a start in scripts/lint_layers.ts, but there is no such file"]];
  const findings: [string, number, string][] = [];
  const ways = new Map([[file, file]]);
  for (const [path, way] of ways) { // grows while it is walked
    for (const { specifier, path: to, kind, line } of graph.get(path) ?? []) {
      if (kind !== "static") continue;
      const name = to === undefined ? specifier : layerOf(to)?.name;
      if (never.some((start) => name?.startsWith(start))) {
        findings.push([path, line, `imports "${specifier}", which the start of ${file} must not load (${way})`]);
      } else if (to !== undefined && !ways.has(to)) ways.set(to, `${way} > ${to}`);
    }
  }
  return findings;
}

/** The project's own TypeScript and JavaScript, sorted, without what is built and what is hidden. */
function sourceFiles(root: string, under = ""): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(`${root}/${under}`)) {
    if (entry.name.startsWith(".") || entry.name === "dist" || entry.name === "node_modules") continue;
    const path = under + entry.name;
    if (entry.isDirectory) found.push(...sourceFiles(root, `${path}/`));
    else if (/\.[cm]?[jt]sx?$/.test(entry.name)) found.push(path);
  }
  return found.sort();
}

/** The part of `deno info --json` that is used here. */
interface Info {
  modules: {
    specifier: string;
    error?: string;
    dependencies?: { specifier: string; code?: Resolved; type?: Resolved; isDynamic?: boolean }[];
  }[];
}

interface Resolved {
  specifier?: string;
  error?: string;
  span: { start: { line: number } };
}

/** Asks Deno for all imports at once, by a module that imports every file. */
async function importGraph(root: string, files: readonly string[]): Promise<Graph> {
  const base = new URL(`file://${Deno.realPathSync(root)}/`).href;
  const directory = await Deno.makeTempDir();
  let output: Deno.CommandOutput;
  try {
    const all = `${directory}/all.ts`;
    await Deno.writeTextFile(
      all,
      files.map((file) => `import ${JSON.stringify(new URL(file, base).href)};\n`).join(""),
    );
    // No npm and no lock: what packages import is not asked, and nothing is downloaded or written for it.
    const args = ["info", "--json", "--no-npm", "--no-lock", "--config", `${root}/deno.json`, all];
    output = await new Deno.Command(Deno.execPath(), { args, stderr: "piped" }).output();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  if (!output.success) throw new Error(`Cannot read the imports: ${new TextDecoder().decode(output.stderr)}`);
  const info = JSON.parse(new TextDecoder().decode(output.stdout)) as Info;
  const graph: Graph = new Map(files.map((file) => [file, []]));
  const missing = new Set(info.modules.filter((module) => module.error).map((module) => module.specifier));
  for (const module of info.modules) {
    const imports = module.specifier.startsWith(base) ? graph.get(module.specifier.slice(base.length)) : undefined;
    if (!imports) continue;
    if (module.error) throw new Error(`Cannot read the imports of ${module.specifier}: ${module.error}`);
    for (const { specifier, code, type, isDynamic } of module.dependencies ?? []) {
      const resolved = code ?? type;
      if (!resolved?.specifier) throw new Error(`Cannot resolve "${specifier}" in ${module.specifier}`);
      const local = resolved.specifier.startsWith(base) ? resolved.specifier.slice(base.length) : undefined;
      imports.push({
        specifier,
        path: local,
        missing: missing.has(resolved.specifier),
        line: resolved.span.start.line + 1,
        kind: !code ? "type" : isDynamic ? "dynamic" : "static",
      });
    }
  }
  return graph;
}

if (import.meta.main) {
  const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
  const findings = await lintLayers(root);
  for (const finding of findings) console.error(finding);
  const count = sourceFiles(root).length;
  if (findings.length === 0) console.log(`Checked the layers of ${count} files`);
  else {
    console.error(`\n${findings.length} ${findings.length === 1 ? "finding" : "findings"} in ${count} files`);
    Deno.exit(1);
  }
}
