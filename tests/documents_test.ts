/**
 * The pages hang together: what they link to is there, and no merge has left its marks in them.
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

Deno.test("documents: no page holds what a merge has left", () => {
  const marked = PAGES.filter((page) => /^(<{7}|={7}|>{7})( |$)|^\| ={7} /m.test(Deno.readTextFileSync(page)));
  assert.deepEqual(marked, []);
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}
