import type { Result, Target } from "./case.ts";
import { summarize } from "./statistics.ts";
import { judge } from "./targets.ts";

Deno.test("judge() compares medians with at least and at most", () => {
  const verdicts = judge([
    result("fast", { ipc: 8, nats: 2 }, [{ metric: "n", against: "nats", at_least: 4 }]),
    result("slow", { ipc: 3, nats: 2 }, [{ metric: "n", against: "nats", at_most: 1 }]),
    result("small", { ipc: 10 }, [{ metric: "n", at_most: 12 }]),
  ]);
  equal(verdicts.map(({ case: name, value, met }) => [name, value, met]), [
    ["slow", 1.5, false],
    ["fast", 4, true],
    ["small", 10, true],
  ]);
});

Deno.test("judge() says by how much a target is missed", () => {
  const least = judge([result("a", { ipc: 1, nats: 1 }, [{ metric: "n", against: "nats", at_least: 2 }])]);
  const most = judge([result("a", { ipc: 24 }, [{ metric: "n", at_most: 12 }])]);
  equal([least[0]!.margin, most[0]!.margin], [0.5, 0.5]);
});

Deno.test("judge() is silent about what was not there", () => {
  equal(judge([result("a", { ipc: 1 }, [{ metric: "n", against: "nats", at_least: 2 }])]), []);
});

function result(name: string, values: Record<string, number>, targets: Target[]): Result {
  const all = Object.entries(values).map(([who, value]) => [who, new Map([["n", summarize([value])]])] as const);
  const metrics = [{ key: "n", title: "n", better: "more" }] as const;
  return {
    case: { name, title: name, section: "brokers", metrics, targets, entries: () => [] },
    contestants: new Map(all),
  };
}

function equal(actual: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${is} instead of ${should}`);
}
