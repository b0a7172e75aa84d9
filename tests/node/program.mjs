/**
 * What the tests have Node.js do: a step by name, with the package's path and options as JSON. It prints one line of
 * JSON for each thing that it has to tell.
 */
const [module, step, json] = process.argv.slice(2);
const { connect, control, IpcError } = await import(module);
const options = JSON.parse(json);
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const STEPS = {
  /** Takes events until one says "end", and sends what only structured clone can hold. */
  async events() {
    const channel = await connect(options.channel ?? "events", options);
    const events = channel.events();
    await channel.flush();
    tell("ready");
    for await (const { data, seq, headers } of events) {
      if (data === "end") break;
      const type = data?.constructor?.name;
      const shown = data instanceof Map ? [...data] : data instanceof Uint8Array ? data.length : data;
      tell({
        type,
        shown: typeof shown === "bigint" ? String(shown) : shown,
        seq,
        headers: Object.fromEntries(headers),
      });
    }
    const circle = { map: new Map([[1, new Date(0)]]), big: 10n ** 20n, set: new Set(["a"]) };
    circle.self = circle;
    await channel.broadcast(circle);
    const { listeners } = await channel.broadcast(new Uint8Array(5_000_000).fill(7), { ack: true });
    tell({ listeners });
    await channel.close();
  },

  /** Answers, asks, and streams both ways. */
  async requests() {
    const channel = await connect("node", options), other = await connect("deno", options);
    channel.handle(async function* ({ data }) {
      if (data === "fail") throw new TypeError("no such thing");
      for (let n = 0; n < data; n++) yield { n };
    });
    await channel.flush();
    tell("ready");
    tell({ reply: await other.invoke(new Map([["a", [1, 2, 3]]])) });
    const parts = [];
    for await (const { data } of other.invokeStream("stream")) parts.push(data);
    tell({ parts });
    try {
      await other.invoke("fail");
    } catch (error) {
      tell({ name: error.name, reason: error.reason, is_ipc: error instanceof IpcError, message: error.message });
    }
    try {
      await other.invoke("slow", { timeout_ms: 50 });
    } catch (error) {
      tell({ reason: error.reason });
    }
    await new Promise((resolve) => process.stdin.once("data", resolve));
    process.stdin.destroy();
    await channel.close();
    await other.close();
  },

  /** Counts events across breaks. */
  async resume() {
    const notices = [];
    const channel = await connect(options.channel, { ...options, onnotice: ({ type }) => notices.push(type) });
    let next = 0, wrong = 0;
    const all = new Promise((resolve) => {
      channel.listen(({ data }) => {
        if (data !== next++) wrong++;
        if (next === options.count) resolve();
      });
    });
    await channel.flush();
    tell("ready");
    await all;
    tell({ next, wrong, notices });
    await channel.close();
  },

  /** Sends numbers across breaks. */
  async publish() {
    const channel = await connect(options.channel, { ...options, onnotice: () => {} });
    let lost = 0;
    for (let n = 0; n < options.count; n++) {
      await channel.broadcast(n);
      if (n % 500 === 499) {
        await channel.flush().catch((error) => lost += error.data.events);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    await channel.flush().catch((error) => lost += error.data.events);
    tell({ lost });
    await channel.close();
  },

  /** Tells how connecting fails. */
  async refused() {
    try {
      await (await connect(options.channel, { ...options, connect_timeout_ms: 2000 })).close();
      tell("connected");
    } catch (error) {
      tell({ reason: error.reason, message: error.message });
    }
  },

  async control() {
    tell(await control("ping", {}, options));
    const channel = await connect("deploys", options);
    tell({ disposable: typeof channel[Symbol.asyncDispose], client: channel.client });
    await channel[Symbol.asyncDispose]();
  },

  /** A mistake in a callback is not swallowed. */
  async mistake() {
    const channel = await connect("deploys", options);
    process.once("uncaughtException", (error) => {
      tell({ uncaught: error.message });
      channel.close();
    });
    channel.listen(() => {
      throw new Error("a mistake");
    });
    await channel.broadcast("now");
  },
};

await STEPS[step]();
