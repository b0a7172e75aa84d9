import assert from "node:assert/strict";
import { type LogSink, openLog } from "./log_tape.ts";
import { pause } from "../tests/e2e/wait.ts";

/** Takes lines, or blocks until it is told to go on. */
class TestSink implements LogSink {
  text = "";
  blocked: PromiseWithResolvers<void> | undefined;
  broken = false;
  /** How many bytes it still takes, as a disk does. */
  room = Infinity;

  async write(bytes: Uint8Array): Promise<number> {
    if (this.broken) throw new Deno.errors.BrokenPipe("nobody reads");
    if (this.room === 0) throw new Error("No space left on device");
    const took = bytes.subarray(0, Math.min(1_000_000, this.room));
    this.room -= took.length;
    await this.blocked?.promise;
    this.text += new TextDecoder().decode(took);
    return took.length;
  }

  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

Deno.test("openLog() writes what is at or above its level", async () => {
  for (const [level, expected] of [["debug", 4], ["info", 3], ["warning", 2], ["error", 1]] as const) {
    const sink = new TestSink(), log = await openLog({ level, format: "text" }, sink);
    log.debug("d"), log.info("i"), log.warning("w"), log.error("e");
    await log.close();
    assert.equal(sink.lines.length, expected, level);
    assert.match(sink.lines.at(-1)!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*Z error +e$/);
  }
});

Deno.test("openLog().setLevel() changes what is written from then on", async () => {
  const sink = new TestSink(), log = await openLog({ level: "warning", format: "text" }, sink);
  log.info("before");
  log.setLevel("debug");
  log.debug("now");
  log.setLevel("error");
  log.warning("after"), log.error("last");
  await log.close();
  assert.deepEqual(sink.lines.map((line) => line.split(" ").at(-1)), ["now", "last"]);
});

Deno.test("openLog() in text writes a line with its properties behind the message", async () => {
  const sink = new TestSink(), log = await openLog({ level: "info", format: "text" }, sink);
  log.info("client joined", { channel: "deploys", client: 7, name: "", odd: { a: [1] } });
  await log.close();
  assert.match(sink.text, / info +client joined channel=deploys client=7 name="" odd="\{\\"a\\":\[1\]\}"\n$/);
});

Deno.test("openLog() in JSON writes one object a line", async () => {
  const sink = new TestSink(), log = await openLog({ level: "info", format: "json" }, sink);
  log.warning("client\nleft {name}", { name: 'a "b"\n{}', client: 7 });
  log.info("again");
  await log.close();
  const objects = sink.lines.map((line) => JSON.parse(line));
  assert.equal(objects.length, 2);
  assert.deepEqual(objects[0].properties, { name: 'a "b"\n{}', client: 7 });
  assert.match(objects[0].level, /warn/i);
});

Deno.test("openLog() lets no name forge a line, or speak to a terminal", async () => {
  const sink = new TestSink(), log = await openLog({ level: "info", format: "text" }, sink);
  for (
    const name of ["a\n2026-01-01T00:00:00Z error forged", "a\r\x1b[2J", "a\x9b2Jb", "a\u2028b\u2029c", "a b=c", 'q"']
  ) {
    log.info("client joined", { name });
  }
  await log.close();
  assert.equal(sink.lines.length, 6);
  // deno-lint-ignore no-control-regex -- they are what must not be there
  assert.doesNotMatch(sink.text.replaceAll("\n", ""), /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
  for (const line of sink.lines) assert.match(line, / info +client joined name=".*"$/);
});

Deno.test("openLog() holds at most 1 MiB for a sink that blocks, then says how many lines were lost", async () => {
  for (const format of ["text", "json"] as const) {
    const sink = new TestSink(), log = await openLog({ level: "info", format }, sink);
    sink.blocked = Promise.withResolvers();
    for (let n = 0; n < 3_000; n++) log.info("x".repeat(1_000), { n });
    sink.blocked.resolve();
    sink.blocked = undefined;
    await log.close();
    assert(sink.text.length < 1.2 * 1024 * 1024, `${sink.text.length}`);
    const kept = sink.lines.filter((line) => line.includes("xxx")).length;
    const notices = sink.lines.filter((line) => !line.includes("xxx"));
    const lost = notices.map((line) => {
      if (format === "json") {
        const { message, properties } = JSON.parse(line);
        assert.equal(message, "log lines were lost");
        return properties.lines;
      }
      return Number(/ warning +log lines were lost lines=(\d+)$/.exec(line)![1]);
    });
    assert.equal(kept + lost.reduce((sum, lines) => sum + lines, 0), 3_000);
    assert(kept > 500 && lost.length >= 1);
  }
});

Deno.test("openLog().close() waits at most a second for a sink that takes nothing", async () => {
  const sink = new TestSink(), log = await openLog({ level: "info", format: "text" }, sink);
  sink.blocked = Promise.withResolvers();
  log.info("never read");
  await log.close();
  assert.equal(sink.text, "");
  sink.blocked.resolve();
});

Deno.test("openLog() goes on when its sink throws, and writes again when it works again", async () => {
  const sink = new TestSink(), log = await openLog({ level: "info", format: "text" }, sink);
  sink.broken = true;
  for (let n = 0; n < 10; n++) {
    log.info("lost");
    await Promise.resolve();
  }
  await pause(0);
  sink.broken = false;
  log.info("seen");
  await log.close();
  assert.match(sink.text, /info +seen\n.* warning +log lines were lost lines=10\n$/);
});

Deno.test("openLog() counts what a full disk did not take, and begins a new line behind one that was cut off", async () => {
  const sink = new TestSink(), log = await openLog({ level: "info", format: "text" }, sink);
  sink.room = 90;
  for (let n = 1; n <= 3; n++) log.info("x".repeat(20), { n });
  await pause(0);
  sink.room = Infinity;
  log.info("seen");
  await log.close();
  const [first, cut, seen, lost, ...more] = sink.lines;
  assert.match(first!, /info +x{20} n=1$/);
  assert(cut!.length < first!.length && sink.text.slice(0, 90).endsWith(cut!));
  assert.match(seen!, /info +seen$/);
  assert.match(lost!, /warning +log lines were lost lines=2$/);
  assert.deepEqual(more, []);
});
