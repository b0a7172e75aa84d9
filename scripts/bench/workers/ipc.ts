/** A worker with our client library; its address is the broker's socket directory. */
import { connect } from "../../../client/mod.ts";
import { work } from "./worker.ts";

await work(async (address) => {
  const channel = await connect("bench", { socket_dir: address });
  return {
    publish: (data) => channel.broadcast(data),
    pace: () => Promise.resolve(), // `broadcast` waits where it must.
    flush: () => channel.flush(),
    listen: async (callback) => {
      channel.listen((message) => callback(message.data as Uint8Array));
      await channel.flush();
    },
    echo: async () => {
      channel.handle((request) => request.data);
      await channel.flush();
    },
    invoke: async (data) => await channel.invoke(data) as Uint8Array,
    close: () => channel.close(),
  };
});
