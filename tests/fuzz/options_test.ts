import assert from "node:assert/strict";
import { parseOptions } from "./options.ts";

const NAMES = new Map([["scanner", "frames"], ["bodies", "msgpack"]]);
const parse = (...args: string[]) => parseOptions(args, NAMES, "made");

Deno.test("parseOptions() fuzzes everything for a minute unless somebody says otherwise", () => {
  assert.deepEqual(parse(), {
    ms: 60_000,
    seed: "made",
    decoders: ["scanner", "bodies"],
    broker: true,
    only: undefined,
    replay: undefined,
  });
  assert.equal(parse("--minutes", "0.5").ms, 30_000);
});

Deno.test("parseOptions() takes targets, a seed and a case", () => {
  const { decoders, broker, seed, only } = parse("--target", "bodies", "--seed", "k3f", "--case", "12");
  assert.deepEqual([decoders, broker, seed, only], [["bodies"], false, "k3f", 12]);
  assert.deepEqual(parse("--target", "decoder").broker, false);
  assert.deepEqual(parse("--target", "broker").decoders, []);
});
