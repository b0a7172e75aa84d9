import assert from "node:assert/strict";
import { IpcError } from "./errors.ts";
import { channelOfSocket, defaultSocketDirectory, socketPath } from "./socket_path.ts";

Deno.test("socketPath() is Simple IPC's, on Windows too", () => {
  assert.equal(socketPath(defaultSocketDirectory("linux"), "deploys"), "/tmp/.deno.deploys.socket");
  assert.equal(socketPath(defaultSocketDirectory("darwin"), "deploys"), "/tmp/.deno.deploys.socket");
  assert.equal(socketPath(defaultSocketDirectory("windows"), "deploys"), "C:/Windows/Temp/.deno.deploys.socket");
});

Deno.test("socketPath() does not double a separator", () => {
  assert.equal(socketPath("/run/ipc/", "a"), "/run/ipc/.deno.a.socket");
  assert.equal(socketPath("C:\\Temp\\", "a"), "C:\\Temp\\.deno.a.socket");
});

Deno.test("socketPath() refuses a path over 107 bytes, counted as bytes, and what is no name", () => {
  const rest = "/.deno.a.socket".length;
  assert.equal(socketPath("/" + "d".repeat(106 - rest), "a").length, 107);
  for (const directory of ["/" + "d".repeat(107 - rest), "/" + "ü".repeat(50)]) {
    assert.throws(
      () => socketPath(directory, "a"),
      (error) => error instanceof IpcError && error.reason === "CHANNEL_NAME" && /limit is 107/.test(error.message),
    );
  }
  assert.throws(() => socketPath("/tmp", "../etc/passwd"), IpcError);
});

Deno.test("channelOfSocket() is the inverse of socketPath()", () => {
  for (const channel of ["a", "a.b", "x".repeat(64)]) {
    assert.equal(channelOfSocket(socketPath("", channel).slice(1)), channel);
  }
  for (
    const file of [".deno..socket", ".deno.a", "deno.a.socket", ".deno.a.socket.tmp", ".deno.-a.socket", ".deno.socket"]
  ) {
    assert.equal(channelOfSocket(file), undefined, file);
  }
});
