import assert from "node:assert/strict";
import { dispatch } from "./dispatch.ts";
import { EXIT } from "./exit_codes.ts";
import { memoryIo } from "./testing.ts";
import { VERBS } from "./verbs.ts";

Deno.test("dispatch() prints help on request to standard output", async () => {
  for (const argv of [["--help"], ["-h"], ["help"]]) {
    const io = memoryIo();
    assert.equal(await dispatch(argv, io), EXIT.OK);
    for (const { name, summary } of VERBS) assert.match(io.stdout.text, new RegExp(`\\n  ${name} +${summary}`));
    assert.equal(io.stderr.text, "");
  }
  const io = memoryIo();
  assert.equal(await dispatch(["help", "send"], io), EXIT.OK);
  assert.match(io.stdout.text, /^Usage: ipc send /);
});

Deno.test("dispatch() prints help because of a mistake to standard error, with 64", async () => {
  const nothing = memoryIo();
  assert.equal(await dispatch([], nothing), EXIT.USAGE);
  assert.match(nothing.stderr.text, /^ipc: a verb is missing\nUsage: ipc \[options\] <verb>/);
  for (
    const [argv, said] of [
      [["lsten"], /^ipc: unknown verb 'lsten'\n\(Did you mean listen\?\)\n/],
      [["--frobnicate"], /^ipc: unknown option '--frobnicate'\n/],
      [["help", "snd"], /^ipc: unknown verb or topic 'snd'\n\(Did you mean send\?\)\n/],
      [["send"], /^ipc: missing required argument 'channel'\nUsage: ipc send /],
      [["listen", "--raw", "--jsn", "x"], /^ipc: unknown option '--jsn'\n\(Did you mean --json\?\)\n/],
    ] as const
  ) {
    const io = memoryIo();
    assert.equal(await dispatch(argv, io), EXIT.USAGE, argv.join(" "));
    assert.match(io.stderr.text, said);
    assert.equal(io.stdout.text, "");
  }
});

Deno.test("dispatch() gives each error its exit code", async () => {
  const socket_dir = await Deno.makeTempDir();
  const env = { IPC_SOCKET_DIR: socket_dir };
  try {
    for (
      const [argv, more, code, said] of [
        [["version"], {}, EXIT.OK, ""],
        [["--version"], {}, EXIT.OK, ""],
        [["sockname", "x"], {}, EXIT.OK, ""],
        [["--socket-dir", socket_dir, "--config=/dev/null", "sockname", "x"], {}, EXIT.OK, ""],
        [["--socket-dir", "relative", "sockname", "x"], {}, EXIT.CONFIGURATION, "relative"],
        [["--config", "/no/such.toml", "send", "x", "y"], {}, EXIT.CONFIGURATION, "/no/such.toml"],
        [["sockname", "a/b"], {}, EXIT.USAGE, "not a channel name"],
        [["sockname", "x"], { IPC_SOCKET_DIR: "relative" }, EXIT.CONFIGURATION, "IPC_SOCKET_DIR"],
        [["send", "x", "y"], {}, EXIT.UNAVAILABLE, "no broker is running"],
        [["request", "x", "y"], {}, EXIT.UNAVAILABLE, "no broker is running"],
        [["listen", "x"], { IPC_AUTOSTART: "0" }, EXIT.UNAVAILABLE, "no broker is running"],
        [["listen", "--no-autostart", "x"], {}, EXIT.UNAVAILABLE, "no broker is running"],
        [
          ["handle", "--no-autostart", "x", "--", "cat"],
          { PATH: "/bin:/usr/bin" },
          EXIT.UNAVAILABLE,
          "no broker is running",
        ],
        [["handle", "x", "--", "/no/such/command"], {}, EXIT.NOT_FOUND, "not found"],
        [["handle", "x", "--", "/"], {}, EXIT.CANNOT_RUN, "cannot be run"],
        [["channels"], {}, EXIT.UNAVAILABLE, "no broker is running"],
      ] as const
    ) {
      const io = memoryIo({ env: { ...env, ...more } });
      assert.equal(await dispatch(argv, io), code, `${argv.join(" ")}: ${io.stderr.text}`);
      assert.ok(io.stderr.text.includes(said), io.stderr.text);
      if (said !== "") assert.match(io.stderr.text, /^ipc: /);
    }
  } finally {
    await Deno.remove(socket_dir);
  }
});

Deno.test("dispatch() leaves with 141 when nobody reads standard output", async () => {
  const io = memoryIo();
  io.stdout.closed = true;
  assert.equal(await dispatch(["version"], io), EXIT.BROKEN_PIPE);
  assert.equal(io.stderr.text, "");
});

Deno.test("dispatch() does not fail because nobody reads standard error", async () => {
  const io = memoryIo();
  io.stderr.closed = true;
  assert.equal(await dispatch(["nonsense"], io), EXIT.USAGE);
});
