/**
 * The pages hang together: what they link to is there, what ARCHITECTURE.md names too, and no merge has left its marks.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGES = ["", "docs"].flatMap((directory) =>
  [...Deno.readDirSync(join(ROOT, directory))].filter(({ name }) => name.endsWith(".md")).map(({ name }) =>
    join(ROOT, directory, name)
  )
);

/** The headings of a page, as links name them. */
function anchors(page: string): Set<string> {
  const headings = Deno.readTextFileSync(page).matchAll(/^#+ (.*)$/gm);
  return new Set([...headings].map(([, text]) => text!.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")));
}

Deno.test("documents: every link leads to a file that is there, and to a heading in it", () => {
  const broken: string[] = [];
  for (const page of PAGES) {
    for (const [link, path, anchor] of Deno.readTextFileSync(page).matchAll(/\]\(([^)#\s]*)#?([^)\s]*)\)/g)) {
      if (/^[a-z]+:/.test(path!)) continue;
      const target = path === "" ? page : join(dirname(page), path!);
      const there = exists(target) && (!anchor || !target.endsWith(".md") || anchors(target).has(anchor));
      if (!there) broken.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

Deno.test("ARCHITECTURE.md names files that are there, and each file and folder of daemon/", () => {
  const page = Deno.readTextFileSync(join(ROOT, "ARCHITECTURE.md"));
  const named = [...page.matchAll(/`([\w./]+\.ts)`/g)].map(([, name]) => name!);
  const files = ["client", "commands", "config", "daemon", "protocol", "scripts"].flatMap((folder) => filesIn(folder));
  const gone = named.filter((name) =>
    !files.some((file) => `/${file}`.endsWith(`/${name}`)) && !exists(join(ROOT, name))
  );
  assert.deepEqual(gone, []);
  const parts = [...Deno.readDirSync(join(ROOT, "daemon"))].filter(({ name }) => !/(_test|^testing)\.ts$/.test(name));
  const unnamed = parts.filter(({ name, isDirectory }) =>
    isDirectory ? !page.includes(`\`daemon/${name}/\``) : !named.some((other) => other.split("/").at(-1) === name)
  );
  assert.deepEqual(unnamed, []);
});

Deno.test("documents: no page holds what a merge has left", () => {
  const marked = PAGES.filter((page) => /^(<{7}|={7}|>{7})( |$)|^\| ={7} /m.test(Deno.readTextFileSync(page)));
  assert.deepEqual(marked, []);
});

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}
