import assert from "node:assert/strict";
import { inheritedSocket } from "./inherited_socket.ts";

const of = (env: Record<string, string>) => inheritedSocket((name) => env[name], 42);

Deno.test("inheritedSocket() finds the descriptor that is meant for this process", () => {
  assert.equal(of({}), undefined);
  assert.equal(of({ LISTEN_PID: "42", LISTEN_FDS: "1" }), 3);
  assert.equal(of({ LISTEN_PID: "42", LISTEN_FDS: "1", LISTEN_FDNAMES: "unknown" }), 3);
  assert.equal(of({ LISTEN_PID: "42", LISTEN_FDS: "3", LISTEN_FDNAMES: "a:ipcd:b" }), 4);
  assert.equal(of({ LISTEN_PID: "42", LISTEN_FDS: "0" }), undefined);
  assert.equal(of({ LISTEN_PID: "42", LISTEN_FDS: "x" }), undefined);
  // A parent's.
  assert.equal(of({ LISTEN_PID: "41", LISTEN_FDS: "1" }), undefined);
  assert.equal(of({ LISTEN_FDS: "1" }), undefined);
});

Deno.test("inheritedSocket() does not guess among several", () => {
  assert.throws(() => of({ LISTEN_PID: "42", LISTEN_FDS: "2", LISTEN_FDNAMES: "a:b" }), /FileDescriptorName=ipcd/);
  assert.throws(() => of({ LISTEN_PID: "42", LISTEN_FDS: "2" }), /cannot tell which of 2 sockets/);
});
