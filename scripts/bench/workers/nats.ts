/** A worker with NATS' client library; its address is HOST:PORT. */
import { connect } from "@nats-io/transport-node";
import { work } from "./worker.ts";

await work(async (address) => {
  const connection = await connect({ servers: address });
  return {
    publish: (data) => connection.publish("bench", data),
    pace: () => connection.flush(), // It buffers without end otherwise.
    flush: () => connection.flush(),
    listen: async (callback) => {
      connection.subscribe("bench", { callback: (_error, message) => callback(message.data) });
      await connection.flush();
    },
    echo: async () => {
      connection.subscribe("bench", { callback: (_error, message) => void message.respond(message.data) });
      await connection.flush();
    },
    invoke: async (data) => (await connection.request("bench", data, { timeout: 30_000 })).data,
    close: () => connection.close(),
  };
});
