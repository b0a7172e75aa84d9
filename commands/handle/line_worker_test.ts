import assert from "node:assert/strict";
import { IpcError } from "../../protocol/errors.ts";
import { LineWorker, type LineWorkerOptions } from "./line_worker.ts";

function worker(script: string, more: Partial<LineWorkerOptions> = {}): LineWorker {
  return new LineWorker({
    command: ["/bin/sh", "-c", script],
    env: {},
    kill_after_ms: 1000,
    line_bytes_max: 1000,
    ...more,
  });
}

async function ask(worker: LineWorker, line: string): Promise<string> {
  return new TextDecoder().decode(await worker.ask(new TextEncoder().encode(line)));
}

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => assert.fail("it did not fail"), (error) => error);
  assert.ok(error instanceof IpcError, String(error));
  return error.reason;
}

Deno.test("LineWorker.ask() gives the line that the command writes for a line", async () => {
  const cat = worker('while read -r line; do echo "$X <$line>"; done', { env: { X: "y" } });
  for (const line of ["one", "", "three"]) assert.equal(await ask(cat, line), `y <${line}>`);
  assert.equal(cat.answers, 3);
  await cat.retire();
  assert.equal(await cat.ended, "is no longer needed");
  assert.equal(cat.ready, false);
});

Deno.test("LineWorker.ask() takes lines of any length up to the limit, in whatever pieces they come", async () => {
  const cat = worker("exec cat", { line_bytes_max: 1_000_000 });
  const long = "x".repeat(1_000_000);
  assert.equal(await ask(cat, long), long);
  assert.equal(await failure(ask(cat, `${long}x`)), "TOO_LARGE");
  assert.match(await cat.ended, /^was ended: the reply is too long, limit is 1000000 bytes/);
  const slow = worker("read line; printf a; sleep 0.05; printf b; sleep 0.05; echo c; cat");
  assert.equal(await ask(slow, ""), "abc");
  await slow.stop("over");
});

Deno.test("LineWorker.ask() fails with HANDLER_GONE at once when the command ends, or closes its output", async () => {
  for (
    const [script, why] of [
      ["read line; exit 3", "ended with status 3"],
      ["read line; printf unfinished", "ended with status 0"],
      ["read line; exec >&-; sleep 1000", "was ended: it closed its standard output"],
      ["read line; sleep 1000 & exit 4", "ended with status 4"],
    ] as const
  ) {
    const dying = worker(script);
    const before_ms = performance.now();
    assert.equal(await failure(ask(dying, "x")), "HANDLER_GONE", script);
    assert.equal(await dying.ended, why);
    assert.ok(performance.now() - before_ms < 5000, script);
  }
});

Deno.test("LineWorker.ask() gives the line of a command that ends with it", async () => {
  const last = worker("read line; echo last");
  assert.equal(await ask(last, "x"), "last");
  assert.equal(await last.ended, "ended with status 0");
});

Deno.test("LineWorker ends a command that writes what nobody asked for", async () => {
  assert.equal(await worker("echo hello; sleep 1000").ended, "was ended: it wrote what nobody had asked for");
  const two = worker("read line; printf '1\\n2\\n'; sleep 1000");
  assert.equal(await ask(two, "x"), "1");
  assert.equal(await two.ended, "was ended: it wrote more than a line for a line");
});

Deno.test("LineWorker.retire() ends what does not mind the end of its input", async () => {
  const stubborn = worker("read line; echo ready; trap '' TERM; while :; do sleep 0.1; done", { kill_after_ms: 100 });
  assert.equal(await ask(stubborn, "x"), "ready");
  await stubborn.retire();
  assert.equal(stubborn.ready, false);
});
