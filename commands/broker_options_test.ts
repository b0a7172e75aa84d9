import assert from "node:assert/strict";
import type { ListenSettings } from "../config/settings.ts";
import { brokerOptions, isElsewhere, takeGlobalOptions, withVariables } from "./broker_options.ts";
import { dispatch } from "./dispatch.ts";
import { EXIT } from "./exit_codes.ts";
import { memoryIo } from "./testing.ts";

const URL = "tcp://127.0.0.1:7410";

Deno.test("takeGlobalOptions() takes what stands before the verb, and nothing behind it", () => {
  const taken = (...argv: string[]) => {
    const { argv: rest, values, incomplete } = takeGlobalOptions(argv);
    return [rest.join(" "), Object.fromEntries(values), incomplete];
  };
  assert.deepEqual(taken("send", "x", "--connect", URL), [`send x --connect ${URL}`, {}, undefined]);
  assert.deepEqual(taken("--connect", URL, "--ca=/a=b.pem", "--token-file", "/t", "send", "x"), [
    "send x",
    { IPC_CONNECT: URL, IPC_CA: "/a=b.pem", IPC_TOKEN_FILE: "/t" },
    undefined,
  ]);
  assert.deepEqual(taken("--config", "a.toml", "--socket-dir=/s", "daemon", "run")[1], {
    IPC_CONFIG: "a.toml",
    IPC_SOCKET_DIR: "/s",
  });
  assert.deepEqual(taken("--version"), ["--version", {}, undefined]);
  assert.deepEqual(taken("--help", "--connect", URL), [`--help --connect ${URL}`, {}, undefined]);
  assert.deepEqual(taken("--connect"), ["", {}, "--connect"]);
  assert.deepEqual(taken("--connect=", "send")[2], "--connect");
});

Deno.test("brokerOptions() reads the files that are named, and says which cannot be read", async () => {
  const settings = { socket_dir: "/sockets", broker_uid: undefined, listen: [] }, dir = Deno.makeTempDirSync();
  try {
    await Deno.writeTextFile(`${dir}/token`, "secret\n", { mode: 0o600 });
    await Deno.writeTextFile(`${dir}/open`, "secret\n", { mode: 0o644 });
    await Deno.writeTextFile(`${dir}/ca`, "pem");
    await Deno.writeTextFile(`${dir}/empty`, " \n");
    const of = (env: Record<string, string>) => brokerOptions(memoryIo({ env }), settings);
    assert.deepEqual(of({}), { socket_dir: "/sockets" });
    const trusting = brokerOptions(memoryIo(), { ...settings, broker_uid: 7 });
    assert.deepEqual(trusting, { socket_dir: "/sockets", broker_uid: 7 });
    assert.deepEqual(of({ IPC_CONNECT: "" }), { socket_dir: "/sockets" });
    assert.deepEqual(of({ IPC_TOKEN_FILE: `${dir}/token` }), { socket_dir: "/sockets", token: "secret" });
    const all = { IPC_CONNECT: "tls://h:1", IPC_CA: `${dir}/ca`, IPC_TOKEN_FILE: `${dir}/token` };
    assert.deepEqual(of(all), { url: "tls://h:1", ca: "pem", token: "secret" });
    assert.throws(() => of({ ...all, IPC_CA: `${dir}/none` }), /Cannot read the certificate \(--ca, IPC_CA\).*none/);
    assert.throws(() => of({ IPC_TOKEN_FILE: `${dir}/none` }), /Cannot read the token/);
    assert.throws(() => of({ IPC_TOKEN_FILE: `${dir}/empty` }), /it is empty/);
    await Deno.writeTextFile(`${dir}/key`, "-----BEGIN\nsecret", { mode: 0o600 });
    await Deno.writeTextFile(`${dir}/long`, "x".repeat(9_000), { mode: 0o600 });
    assert.throws(() => of({ IPC_TOKEN_FILE: `${dir}/key` }), /it has several lines, and a token is one/);
    assert.throws(() => of({ IPC_TOKEN_FILE: `${dir}/long` }), /it is 9000 characters, limit is 8192/);
    if (Deno.build.os === "linux") {
      assert.throws(() => of({ IPC_TOKEN_FILE: "/dev/zero" }), /Cannot read the token.*more than 1048576 bytes/);
    }
    assert.throws(() => of({ IPC_TOKEN_FILE: `${dir}/open` }), /everybody may read or change it.*chmod o= .*open/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("brokerOptions() falls back to the first [[listen]] for all channels where there are no unix sockets", () => {
  const on = (channel: string | undefined, hostname: string, port: number, tls = false): ListenSettings => ({
    name: "l",
    hostname,
    port,
    channel,
    tls: tls ? { cert: "c", key: "k" } : undefined,
    token_file: undefined,
  });
  const listen = [on("deploys", "127.0.0.1", 49152), on(undefined, "127.0.0.1", 0), on(undefined, "::1", 7411, true)];
  const of = (os: string, some: ListenSettings[] = listen) =>
    brokerOptions(memoryIo(), { socket_dir: "/s", broker_uid: undefined, listen: some }, os);
  assert.deepEqual(of("linux"), { socket_dir: "/s" });
  assert.deepEqual(of("windows"), { socket_dir: "/s", fallback_url: "tls://[::1]:7411" });
  assert.deepEqual(of("windows", [on(undefined, "localhost", 7000)]).fallback_url, "tcp://localhost:7000");
  assert.deepEqual(of("windows", []), { socket_dir: "/s" });
});

Deno.test("isElsewhere() is so when --connect or IPC_CONNECT says where", () => {
  assert.ok(!isElsewhere(memoryIo(), "linux"));
  assert.ok(isElsewhere(memoryIo(), "windows"));
  assert.ok(isElsewhere(memoryIo({ env: { IPC_CONNECT: URL } })));
  assert.ok(isElsewhere(withVariables(memoryIo(), new Map([["IPC_CONNECT", URL]]))));
});

Deno.test("dispatch() refuses --connect where it means nothing, and where its value is missing", async () => {
  for (const verb of ["daemon", "sockname"]) {
    const io = memoryIo();
    assert.equal(await dispatch(["--connect", URL, verb, "status"], io), EXIT.USAGE);
    assert.match(io.stderr.text, new RegExp(`^ipc: ${verb} is about this machine`));
  }
  const missing = memoryIo();
  assert.equal(await dispatch(["--connect"], missing), EXIT.USAGE);
  assert.match(missing.stderr.text, /^ipc: option '--connect <value>' argument missing\n/);
  const wrong = memoryIo();
  assert.equal(await dispatch(["--connect", "http://x", "send", "deploys", "hello"], wrong), EXIT.USAGE);
  assert.match(wrong.stderr.text, /^ipc: "http:\/\/x" is not the URL of a broker/);
});

Deno.test("dispatch() asks the broker that --connect names, and starts none", async () => {
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `tcp://127.0.0.1:${free.addr.port}`;
  free.close();
  for (const verb of ["send", "request", "listen", "handle", "ping", "clients", "channels", "inspect"]) {
    const io = memoryIo();
    const argv = verb === "handle" ? [verb, "x", "--", "true"] : verb === "channels" ? [verb] : [verb, "x"];
    assert.equal(await dispatch(["--connect", url, ...argv], io), EXIT.UNAVAILABLE, `${verb} ${io.stderr.text}`);
    assert.match(io.stderr.text, /^ipc: no broker listens at tcp:/, verb);
  }
});

Deno.test("withVariables() lets --socket-dir beat IPC_CONNECT of the environment, but not --connect", () => {
  const io = memoryIo({ env: { IPC_CONNECT: URL } }), here = ["IPC_SOCKET_DIR", "/s"] as const;
  assert.equal(withVariables(io, new Map([here])).env("IPC_CONNECT"), undefined);
  assert.equal(
    withVariables(io, new Map([here, ["IPC_CONNECT", "tcp://[::1]:1"]])).env("IPC_CONNECT"),
    "tcp://[::1]:1",
  );
  assert.equal(withVariables(io, new Map([["IPC_CONFIG", "/c"]])).env("IPC_CONNECT"), URL);
});
