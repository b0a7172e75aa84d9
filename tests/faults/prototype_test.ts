/**
 * Words that mean something to JavaScript, wherever a word from outside can stand. A broker that put one of them into an
 * object as a key would change what every object has.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect, control, IpcError } from "../../client/mod.ts";
import { RawClient } from "../../daemon/testing.ts";
import { encodeBody, encodeFrame, FRAME_TYPES } from "../../protocol/mod.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, within } from "../e2e/wait.ts";
import { Raw } from "../interop/raw.ts";
import { startCanaries } from "./canaries.ts";
import { figure } from "./figures.ts";

const WORDS = ["__proto__", "constructor", "toString", "prototype", "hasOwnProperty", "valueOf"];
/** What would be seen everywhere if a key of it came to stand in a prototype. */
const EVIL = { polluted: true };
const WATCH = new URL("programs/prototype_watch.ts", import.meta.url).pathname;

Deno.test("broker takes __proto__ and the like as words like any other, and Object.prototype is untouched", async (t) => {
  await using sandbox = new Sandbox();
  // The words are names of channels here, one with rules of its own, and of the keys of the other.
  Deno.writeTextFileSync(sandbox.config_file, '[channels.__proto__]\nqueue = "64KiB"\n[channels.constructor]\n');
  const broker = await sandbox.broker({}, [], [`--preload=${WATCH}`]);
  const untouched = async (count: number) => {
    broker.signal("SIGUSR2");
    await eventually(
      () => broker.stderr.split("prototypes: untouched").length > count,
      () => `the broker says: ${broker.stderr}`,
    );
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  };
  await untouched(1);
  await using canaries = await startCanaries(sandbox);

  for (const word of WORDS) {
    await t.step(`${word} as channel, client name, header and key of what is sent`, async () => {
      await using channel = await connect(word, { ...sandbox, name: word, listen: true, presence: true });
      const events = channel.events();
      using lines = await Raw.connect(sandbox.socket(word));
      await lines.send(`{"ipc":1,"type":"hello","listen":true,"name":"${word}","${word}":{"polluted":true}}\n`);
      await lines.lines(1);

      const headers = new Map([[word, "header"]]);
      for (const data of [JSON.parse(`{"${word}":{"polluted":true}}`), new Map([[word, EVIL]])]) {
        await channel.broadcast(data, { headers });
        const { value } = await within(events.next(), "the event does not come");
        assert.deepEqual([value.data, value.headers], [data, headers]);
      }
      const heard = await lines.lines(3);
      for (const line of heard.slice(1)) {
        assert(line.includes(`"headers":{"${word}":"header"}`) && line.includes(`"${word}":{"polluted":true}`), line);
      }
      await lines.send(`{"type":"event","headers":{"${word}":"header"},"data":{"${word}":{"polluted":true}}}\n`);
      const { value } = await within(events.next(), "the line does not come");
      assert.deepEqual([[...value.headers], Object.keys(value.data as object)], [[[word, "header"]], [word]]);

      using raw = RawClient.over(await Deno.connect({ transport: "unix", path: sandbox.socket(word) }));
      await raw.hello();
      const body = encodeBody(new Map([[word, new Map([["polluted", true]])]]));
      await raw.send(encodeFrame({ type: FRAME_TYPES.ROLES, flags: 3, id: 1, payload: body }));
      await within(raw.until(FRAME_TYPES.ACK), "the roles are not taken");

      const names = (await channel.clients()).map(({ name }) => name);
      assert.deepEqual(names.toSorted(), ["", word, word]);
      const { settings } = await control("channel", { channel: word }, sandbox) as {
        settings: { queue_bytes: number };
      };
      assert.equal(settings.queue_bytes, word === "__proto__" ? 64 * 1024 : 8 * 1024 * 1024);
    });
    await t.step(`${word} as method and parameter of a request on ipcd`, async () => {
      await assert.rejects(
        control(word, {}, sandbox),
        (error) => error instanceof IpcError && /no control method/.test(error.message),
      );
      await using ipcd = await connect("ipcd", sandbox);
      const asked = JSON.parse(`{"method":"channel","params":{"channel":"${word}","${word}":{"polluted":true}}}`);
      assert.equal((await ipcd.invoke(asked) as { channel: string }).channel, word);
      const polluting = JSON.parse(`{"${word}":{"polluted":true},"method":"ping"}`);
      await ipcd.invoke(polluting);
      await assert.rejects(ipcd.invoke(JSON.parse(`{"${word}":{"method":"ping"}}`)), IpcError);
    });
  }
  await t.step("as keys of a configuration, which is refused", async () => {
    const good = Deno.readTextFileSync(sandbox.config_file);
    const before = await control("config", {}, sandbox);
    for (const word of WORDS) {
      for (
        const wrong of [`${word} = 1`, `[${word}]\npolluted = true`, `[log]\n${word} = 1`, `${word}.prototype.x = 1`]
      ) {
        Deno.writeTextFileSync(sandbox.config_file, `${wrong}\n${good}`);
        await assert.rejects(control("reload", {}, sandbox), IpcError, wrong);
      }
      Deno.writeTextFileSync(sandbox.config_file, `${good}\n[channels.jobs]\n${word} = 1\n`);
      await assert.rejects(control("reload", {}, sandbox), IpcError, word);
    }
    assert.deepEqual(await control("config", {}, sandbox), before);
    Deno.writeTextFileSync(sandbox.config_file, good);
    await control("reload", {}, sandbox);
    // A broker that is started with such a file says that it is wrong.
    await using other = new Sandbox();
    Deno.writeTextFileSync(other.config_file, "__proto__ = 1\n");
    const refused = other.tryBroker();
    assert.equal(await refused.exit(), 78);
    assert.match(refused.stderr, /__proto__/);
  });
  await untouched(2);
  const report = await canaries.stop();
  figure(
    3,
    `${WORDS.map((word) => `\`${word}\``).join(", ")} wherever a word can stand`,
    "prototypes untouched",
    "untouched",
  );
  figure(3, "the others meanwhile", `${report}`, "nothing lost");
  report.assertFaultless();
});
