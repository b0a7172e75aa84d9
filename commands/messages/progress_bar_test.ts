import assert from "node:assert/strict";
import { displayWidth } from "../display_width.ts";
import { ProgressBar, progressLine, type ProgressView } from "./progress_bar.ts";
import { memoryIo, MemoryOutput } from "../testing.ts";
import { eventually } from "../../tests/e2e/wait.ts";

function line(more: Partial<ProgressView>): string {
  return progressLine({
    label: "app.log",
    size_bytes: 10 * 1024 * 1024,
    single: false,
    progress: { bytes: 4 * 1024 * 1024, messages: 8123 },
    elapsed_ms: 2000,
    columns: 80,
    color: false,
    ...more,
  });
}

Deno.test("progressLine() shows how much is done and how long the rest takes", () => {
  assert.equal(line({}), "app.log  [============>                 ]   40%  8123 messages  2MiB/s  3s left");
  assert.equal(
    line({ single: true, progress: { bytes: 10 * 1024 * 1024, messages: 0 }, columns: 200 }),
    `app.log  [${"=".repeat(40)}]  100%  5MiB/s  waiting for the broker`,
  );
  assert.equal(
    line({ progress: { bytes: 0, messages: 0 } }),
    "app.log  [>                                       ]    0%  0 messages  0B/s",
  );
});

Deno.test("progressLine() has no bar for what has no known end", () => {
  for (const size_bytes of [undefined, 0]) {
    assert.equal(line({ size_bytes }), "app.log  8123 messages  2MiB/s  2s");
    assert.equal(line({ size_bytes, single: true }), "app.log  4MiB  2MiB/s  2s");
  }
  assert.equal(line({ size_bytes: undefined, progress: { bytes: 1, messages: 1 } }), "app.log  1 message  1B/s  2s");
});

Deno.test("progressLine() stays inside the terminal, whatever its width and the label", () => {
  for (const label of ["app.log", "ログ".repeat(40), "e\u0301".repeat(60), "👩‍👩‍👧.log", "\x1b[2Jbad", ""]) {
    for (const size_bytes of [undefined, 10 * 1024 * 1024]) {
      for (let columns = 1; columns <= 200; columns++) {
        const text = line({ label, size_bytes, columns });
        assert.ok(displayWidth(text) < Math.max(columns, 2), `${columns}: ${JSON.stringify(text)}`);
        // deno-lint-ignore no-control-regex -- they are what it looks for
        assert.doesNotMatch(text, /[\x00-\x1f]/);
      }
    }
  }
  assert.equal(line({ columns: 40 }), "app.log  [==>    ]   40%  8123 messages");
  assert.equal(line({ columns: 12 }), "app.log");
  assert.equal(line({ label: "ログ".repeat(10), columns: 40 }), "ログログロ...  [======>         ]   40%");
});

Deno.test("progressLine() colours the bar only", () => {
  assert.equal(line({ color: true, columns: 40 }), "app.log  [\x1b[32m==>\x1b[0m    ]   40%  8123 messages");
});

Deno.test("ProgressBar draws until it is disposed of, and leaves an empty line", async () => {
  const io = memoryIo({ env: { NO_COLOR: "1" } });
  const stderr = io.stderr = new MemoryOutput(true);
  stderr.columns = 30;
  const progress = { bytes: 0, messages: 0 };
  {
    using _bar = new ProgressBar(
      { label: "a", size_bytes: undefined, begin_ms: performance.now(), single: false },
      progress,
      io,
    );
    assert.ok(stderr.text.startsWith("\ra  0 messages") && stderr.text.endsWith("\x1b[K"), stderr.text);
    progress.messages = 5;
    await eventually(() => stderr.text.includes("5 messages"), "it does not count");
  }
  assert.ok(stderr.text.endsWith("\x1b[K\r\x1b[K"));
  assert.ok(!stderr.text.includes("\x1b[0m"));
});

Deno.test("ProgressBar says which signal ends the command", async () => {
  const io = memoryIo();
  using bar = new ProgressBar({ label: "a", size_bytes: 1, begin_ms: 0, single: true }, { bytes: 0, messages: 0 }, io);
  io.raise("SIGTERM");
  assert.equal(await bar.interrupted, 143);
});
