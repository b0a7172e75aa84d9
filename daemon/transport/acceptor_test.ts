import assert from "node:assert/strict";
import { Acceptor } from "./acceptor.ts";

Deno.test("Acceptor tries again soon after a failure, less and less often while there are more, and soon after a success", async () => {
  const failed_ms: number[] = [], { promise, resolve } = Promise.withResolvers<void>(), SUCCESS_AT = 7, ENOUGH = 9;
  let asked = 0, accepted = 0;
  const listener = {
    accept: () => {
      if (asked++ === SUCCESS_AT) return Promise.resolve({ close() {} });
      return Promise.reject(new Error("Too many open files"));
    },
    close() {},
  };
  const acceptor = new Acceptor(listener, {
    accepted: () => accepted++,
    ready: () => undefined,
    failed() {
      failed_ms.push(performance.now());
      if (failed_ms.length === ENOUGH) resolve();
    },
  });
  await promise;
  await acceptor.close();
  assert.equal(accepted, 1);
  const pauses_ms = failed_ms.slice(1).map((at_ms, index) => at_ms - failed_ms[index]!);
  for (const [index, least_ms] of [5, 10, 20, 40, 80, 100, 100, 5].entries()) {
    assert(pauses_ms[index]! >= least_ms - 1, `${pauses_ms}`);
  }
  assert(pauses_ms.at(-1)! < pauses_ms.at(-2)!, `${pauses_ms}`);
});
