import { encodeFrame, FRAME_TYPES } from "../protocol/mod.ts";
import { controlRequest, RawClient, startTestBroker } from "./testing.ts";

function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

Deno.test("startBroker() relays events in order, stamped with source and sequence number", async () => {
  await using test = await startTestBroker();
  const listener = await RawClient.join(test.socket_dir, "deploys", { listen: true });
  const publisher = await RawClient.join(test.socket_dir, "deploys");
  for (let n = 0; n < 100; n++) {
    await publisher.send(
      encodeFrame({ type: FRAME_TYPES.EVENT, flags: 1, payload: new TextEncoder().encode(`n${n}`) }),
    );
  }
  for (let n = 0; n < 100; n++) {
    const event = await listener.until(FRAME_TYPES.EVENT);
    assert(event.id === n + 1, `sequence number ${event.id}`);
    assert(event.source === publisher.welcome!.client, `source ${event.source}`);
    assert(new TextDecoder().decode(event.payload) === `n${n}`, `payload ${new TextDecoder().decode(event.payload)}`);
  }
  listener.close();
  publisher.close();
});

Deno.test("startBroker() answers a request by its handler and by nobody", async () => {
  await using test = await startTestBroker();
  const requester = await RawClient.join(test.socket_dir, "wc");
  await requester.send(encodeFrame({ type: FRAME_TYPES.REQUEST, id: 5 }));
  assert((await requester.until(FRAME_TYPES.REPLY)).aux === 7004, "no NO_HANDLER");
  const handler = await RawClient.join(test.socket_dir, "wc", { handle: true });
  await requester.send(encodeFrame({ type: FRAME_TYPES.REQUEST, id: 6, payload: new Uint8Array([1, 2]) }));
  const request = await handler.until(FRAME_TYPES.REQUEST);
  assert(request.source === requester.welcome!.client && request.id === 6, "request is not stamped");
  await handler.send(
    encodeFrame({ type: FRAME_TYPES.REPLY, target: request.source, id: 6, payload: new Uint8Array([9]) }),
  );
  const reply = await requester.until(FRAME_TYPES.REPLY);
  assert(reply.id === 6 && reply.aux === 0 && reply.payload[0] === 9, "wrong reply");
  await requester.send(encodeFrame({ type: FRAME_TYPES.REQUEST, id: 7 }));
  await handler.until(FRAME_TYPES.REQUEST);
  handler.close();
  assert((await requester.until(FRAME_TYPES.REPLY)).aux === 7005, "no HANDLER_GONE");
  requester.close();
});

Deno.test("startBroker() answers control requests", async () => {
  await using test = await startTestBroker();
  const ping = await controlRequest(test.socket_dir, "ping") as { version: string };
  assert(ping.version === "0.0.0-test", "wrong version");
  await controlRequest(test.socket_dir, "open", { channel: "a" });
  const channels = await controlRequest(test.socket_dir, "channels") as { channel: string }[];
  assert(channels.map((c) => c.channel).join() === "a,ipcd", JSON.stringify(channels));
  await controlRequest(test.socket_dir, "stats");
  await controlRequest(test.socket_dir, "config");
});
