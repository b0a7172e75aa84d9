import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { Barrier, Gate } from "./coordination.ts";

Deno.test("Gate lets in as many as it has places, and the others in the order in which they came", () => {
  const gate = new Gate<string>();
  assert.deepEqual(["a", "b", "c", "d", "e"].map((who) => gate.enter(who, 2, who !== "c")), [
    true,
    true,
    false,
    false,
    false,
  ]);
  // c did not want to wait.
  assert.deepEqual([[...gate.holders], [...gate.waiting]], [["a", "b"], ["d", "e"]]);
  assert.equal(gate.leave("b"), "d");
  assert.equal(gate.leave("e"), undefined);
  assert.equal(gate.leave("d"), undefined);
  assert.equal(gate.leave("nobody"), undefined);
  assert.deepEqual([gate.empty, gate.agrees(2), gate.agrees(3)], [false, true, false]);
  gate.leave("a");
  // Who comes next says anew how many.
  assert.deepEqual([gate.empty, gate.agrees(3), gate.enter("f", 3, true), gate.places], [true, true, true, 3]);
});

Deno.test("Gate is fair, whoever comes, gives up and leaves when", () => {
  const step = fc.record({ comes: fc.boolean(), who: fc.nat(1000), waits: fc.boolean() });
  checkRandomly(fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 80 }), (places, steps) => {
    const gate = new Gate<number>();
    // What it has to be like: one line, of which the first so many are in.
    const line: number[] = [];
    let next = 0;
    for (const { comes, who, waits } of steps) {
      if (comes) {
        const enters = line.length < places, id = next++;
        assert.equal(gate.agrees(places), true);
        assert.equal(gate.enter(id, places, waits), enters);
        if (enters || waits) line.push(id);
      } else if (line.length > 0) {
        const at = who % line.length, let_in = at < places ? line[places] : undefined;
        assert.equal(gate.leave(line[at]!), let_in);
        line.splice(at, 1);
      }
      assert.deepEqual(new Set(gate.holders), new Set(line.slice(0, places)));
      assert.deepEqual([...gate.waiting], line.slice(places));
      assert.equal(gate.empty, line.length === 0);
    }
  }));
});

Deno.test("Barrier lets all go on with the last that was missing, and begins again", () => {
  const barrier = new Barrier<string>();
  for (let round = 0; round < 2; round++) {
    assert.deepEqual([barrier.empty, barrier.agrees(7)], [true, true]);
    assert.equal(barrier.arrive("a", 3), undefined);
    assert.equal(barrier.arrive("b", 3), undefined);
    assert.deepEqual([barrier.agrees(2), barrier.agrees(3), barrier.parties], [false, true, 3]);
    barrier.leave("a");
    assert.equal(barrier.arrive("c", 3), undefined);
    assert.deepEqual([...barrier.present], ["b", "c"]);
    assert.deepEqual(barrier.arrive("a", 3), ["b", "c", "a"]);
  }
  assert.deepEqual(barrier.arrive("alone", 1), ["alone"]);
});

Deno.test("Barrier never lets go fewer or more than it takes", () => {
  const step = fc.record({ comes: fc.boolean(), who: fc.nat(1000) });
  checkRandomly(fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60 }), (parties, steps) => {
    const barrier = new Barrier<number>();
    let here: number[] = [], next = 0;
    for (const { comes, who } of steps) {
      if (comes) {
        here.push(next);
        const gone = barrier.arrive(next++, parties);
        assert.deepEqual(gone, here.length === parties ? here : undefined);
        if (gone !== undefined) here = [];
      } else if (here.length > 0) barrier.leave(here.splice(who % here.length, 1)[0]!);
      assert.deepEqual([...barrier.present], here);
    }
  }));
});
