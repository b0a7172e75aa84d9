import assert from "node:assert/strict";
import { brokerAnswers } from "./connection.ts";

Deno.test("brokerAnswers() takes one that hangs up for one that is ending, and asks again", async () => {
  const socket_dir = Deno.makeTempDirSync(), path = `${socket_dir}/.deno.ipcd.socket`;
  try {
    const listener = Deno.listen({ transport: "unix", path });
    const asked = brokerAnswers({ socket_dir, broker_uid: undefined });
    for (let times = 0; times < 2; times++) (await listener.accept()).close();
    listener.close(); // which removes the socket
    assert.equal(await asked, false);
  } finally {
    Deno.removeSync(socket_dir, { recursive: true });
  }
});

Deno.test("brokerAnswers() fails where something hangs up for good", async () => {
  const socket_dir = Deno.makeTempDirSync();
  const listener = Deno.listen({ transport: "unix", path: `${socket_dir}/.deno.ipcd.socket` });
  const hanging_up = (async () => {
    for await (const conn of listener) conn.close();
  })();
  try {
    await assert.rejects(brokerAnswers({ socket_dir, broker_uid: undefined }), {
      name: "IpcError",
      reason: "CHANNEL_RECV",
    });
  } finally {
    listener.close();
    await hanging_up;
    Deno.removeSync(socket_dir, { recursive: true });
  }
});
