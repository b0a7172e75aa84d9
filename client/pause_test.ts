import assert from "node:assert/strict";
import { after, deadline } from "./pause.ts";

/** Lets time pass while a socket is all that is waited for. */
async function whileAccepting(wait: Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }), accepting = listener.accept();
  await wait;
  listener.close();
  await assert.rejects(accepting);
}

Deno.test("after() calls back although nothing else happens, and not once it is taken back", () =>
  whileAccepting(
    new Promise((resolve) => {
      const take_back = [0, 1, 10].map((ms) => after(ms, () => assert.fail(`after ${ms} ms it was called`)));
      for (const one of take_back) one();
      after(0, () => after(30, resolve));
    }),
  ));

Deno.test("after() keeps no program alive", async () => {
  const code = `import { after } from "${
    import.meta.resolve("./pause.ts")
  }"; after(600_000, () => {}); console.log("end");`;
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", code] }).output();
  assert.deepEqual([success, new TextDecoder().decode(stdout)], [true, "end\n"]);
});

Deno.test("deadline() closes what is waited for and says why, once", async () => {
  let closed = 0;
  const connection = { read: () => Promise.resolve(null), write: () => Promise.resolve(0), close: () => void closed++ };
  const outer = new AbortController(), limit = deadline(1, "wait", outer.signal);
  limit.connection = connection;
  await whileAccepting(new Promise((resolve) => limit.signal.addEventListener("abort", () => resolve())));
  outer.abort();
  assert.deepEqual([closed, limit.signal.reason.reason], [1, "TIMEOUT"]);
  limit.clear();

  const cancelled = deadline(600_000, "wait", outer.signal);
  assert.equal(cancelled.signal.reason.reason, "CANCELLED");
  cancelled.clear();
});
