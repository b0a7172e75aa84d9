import assert from "node:assert/strict";
import { VERBS } from "../../commands/verbs.ts";
import { measureStarts, startsText } from "./start.ts";
import { Workshop } from "./workshop.ts";

Deno.test("measureStarts() runs every verb to its end, and compares it with an empty program", async () => {
  await using workshop = await Workshop.open();
  const verbs = VERBS.map(({ name }) => name);
  const results = await measureStarts(workshop, verbs, 1);
  assert.deepEqual(results.map(({ title }) => title.split(" ")[0]), ["empty", ...verbs]);
  assert.equal(results[0]!.ratio, 1);
  for (const { title, took, ratio } of results) assert.ok(took.values.length === 1 && ratio > 0, title);
  assert.equal(startsText(results).trimEnd().split("\n").length, verbs.length + 2);
});
