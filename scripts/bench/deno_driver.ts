/**
 * The driver where there is no C compiler: the main cases, in one thread and with messages that were built before, like
 * driver.c, whose command line and output it shares. It is slower, so what it shows is the least that a broker can do.
 *
 *     deno run -A deno_driver.ts PROTOCOL throughput|pingpong --address ADDRESS [--size N] [--count N] [--listeners N]
 *
 * @module
 */
import { cpuSeconds } from "./machine.ts";
import { quantile } from "./statistics.ts";
import { joined } from "../../protocol/joined.ts";

/** What it can do of `Load["kind"]`. */
export const DENO_DRIVER_CASES: ReadonlySet<string> = new Set(["throughput", "pingpong"]);

const CHANNEL = "bench";
/** About so much is written at a time. */
const BLOCK_BYTES = 1 << 18;
const READ_BYTES = 1 << 18;

/** The bytes of a protocol, for a payload of one size. */
interface Protocol {
  /** What a connection sends first. */
  hello(listens: boolean): Uint8Array<ArrayBuffer>;
  /** How the answer to it ends. */
  welcomed(answer: Uint8Array<ArrayBuffer>, listens: boolean): boolean;
  message: Uint8Array<ArrayBuffer>;
  /** Bytes that a listener is given for each message. */
  delivery_bytes: number;
}

const encode = (text: string) => new TextEncoder().encode(text);

const PROTOCOLS: Record<string, (payload: Uint8Array<ArrayBuffer>) => Protocol> = {
  ipc(payload) {
    const frame = (type: number, body: Uint8Array<ArrayBuffer>) => {
      const header = new Uint8Array(24);
      new DataView(header.buffer).setUint32(0, 24 + body.length, true);
      header[4] = type;
      return joined([header, body]);
    };
    const preface = new Uint8Array([0x89, 0x49, 0x50, 0x43, 1, 0, 0, 0]);
    const listen = joined([new Uint8Array([0x81, 0xa6]), encode("listen"), new Uint8Array([0xc3])]);
    return {
      hello: (listens) => joined([preface, frame(0x01, listens ? listen : new Uint8Array([0x80]))]),
      welcomed: (answer) => answer.length >= 24 && answer[4] === 0x02,
      message: frame(0x10, payload),
      delivery_bytes: 24 + payload.length,
    };
  },
  nats(payload) {
    const message = joined([encode(`PUB ${CHANNEL} ${payload.length}\r\n`), payload, encode("\r\n")]);
    return {
      hello: (listens) => encode(`CONNECT {"verbose":false}\r\n${listens ? `SUB ${CHANNEL} 1\r\n` : ""}PING\r\n`),
      welcomed: (answer) => new TextDecoder().decode(answer).endsWith("\r\nPONG\r\n"),
      message,
      delivery_bytes: message.length + 2, // MSG bench 1 16, PUB bench 16
    };
  },
  redis(payload) {
    const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
    const end = joined([encode(`$${payload.length}\r\n`), payload, encode("\r\n")]);
    const message = joined([encode(`*3\r\n${bulk("PUBLISH")}${bulk(CHANNEL)}`), end]);
    return {
      hello: (listens) => encode(listens ? `*2\r\n${bulk("SUBSCRIBE")}${bulk(CHANNEL)}` : "*1\r\n$4\r\nPING\r\n"),
      welcomed: (answer) => /\+PONG\r\n$|:1\r\n$/.test(new TextDecoder().decode(answer)),
      message,
      delivery_bytes: message.length, // "message" is as long as "PUBLISH"
    };
  },
  mqtt(payload) {
    const length = (bytes: number) => {
      const digits: number[] = [];
      for (let left = bytes;; left >>= 7) {
        digits.push((left & 127) | (left > 127 ? 128 : 0));
        if (left <= 127) return new Uint8Array(digits);
      }
    };
    const text = (value: string) => joined([new Uint8Array([0, value.length]), encode(value)]);
    const packet = (type: number, ...parts: Uint8Array<ArrayBuffer>[]) => {
      const body = joined(parts);
      return joined([new Uint8Array([type]), length(body.length), body]);
    };
    const connect = () =>
      packet(0x10, text("MQTT"), new Uint8Array([4, 2, 0, 0]), text(crypto.randomUUID().slice(0, 8)));
    const message = packet(0x30, text(CHANNEL), payload);
    return {
      hello: (listens) =>
        listens
          ? joined([connect(), packet(0x82, new Uint8Array([0, 1]), text(CHANNEL), new Uint8Array([0]))])
          : connect(),
      welcomed: (answer, listens) => answer.length === (listens ? 9 : 4),
      message,
      delivery_bytes: message.length,
    };
  },
};

if (import.meta.main) await main();

async function main(): Promise<void> {
  const [name, kind, ...rest] = Deno.args;
  const options = new Map<string, string>();
  for (let i = 0; i < rest.length; i += 2) options.set(rest[i]!.slice(2), rest[i + 1]!);
  const number = (key: string, other: number) => Number(options.get(key) ?? other);
  const protocol = PROTOCOLS[name!]!(new Uint8Array(number("size", 16)).fill(0x78));
  const address = options.get("address")!.replace("%s", CHANNEL), count = number("count", 100_000);
  const listeners: Deno.Conn[] = [];
  for (let i = 0; i < number("listeners", 1); i++) listeners.push(await dial(address, protocol, true));
  const publisher = await dial(address, protocol, false);
  const started_ms = performance.now(), cpu_before_s = await cpuSeconds(Deno.pid) ?? 0;
  const times_ms = await (kind === "pingpong" ? pingpong : throughput)(protocol, publisher, listeners, count);
  const took_ms = performance.now() - started_ms, cpu_s = (await cpuSeconds(Deno.pid) ?? 0) - cpu_before_s;
  report({ events: count, listeners: listeners.length, took_ms, cpu_s, times_ms });
  Deno.exit(0);
}

async function throughput(
  { message, delivery_bytes }: Protocol,
  publisher: Deno.Conn,
  listeners: Deno.Conn[],
  count: number,
): Promise<undefined> {
  const publish = async () => {
    const times = Math.max(1, Math.floor(BLOCK_BYTES / message.length));
    const block = joined(Array<Uint8Array<ArrayBuffer>>(times).fill(message));
    for (let left = count; left > 0; left -= times) {
      await write(publisher, left < times ? block.subarray(0, left * message.length) : block);
    }
  };
  void discard(publisher);
  await Promise.all([publish(), ...listeners.map((listener) => take(listener, delivery_bytes * count))]);
}

async function pingpong(
  { message, delivery_bytes }: Protocol,
  publisher: Deno.Conn,
  [listener]: Deno.Conn[],
  count: number,
): Promise<Float64Array> {
  const times_ms = new Float64Array(count);
  void discard(publisher);
  for (let i = 0; i < count; i++) {
    const sent_ms = performance.now();
    await write(publisher, message);
    await take(listener!, delivery_bytes);
    times_ms[i] = performance.now() - sent_ms;
  }
  return times_ms;
}

async function dial(address: string, protocol: Protocol, listens: boolean): Promise<Deno.Conn> {
  const [kind, first, port] = address.split(":");
  const conn = kind === "unix"
    ? await Deno.connect({ transport: "unix", path: first! })
    : await Deno.connect({ hostname: first!, port: Number(port) });
  await write(conn, protocol.hello(listens));
  let answer: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  const buffer = new Uint8Array(4096);
  while (!protocol.welcomed(answer, listens)) {
    const got = await conn.read(buffer);
    if (got === null) throw new Error(`${address} was closed before it was ready`);
    answer = joined([answer, buffer.subarray(0, got)]);
  }
  return conn;
}

async function write(conn: Deno.Conn, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads so many bytes and no more. @throws {Error} If others come. */
async function take(conn: Deno.Conn, bytes: number): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  while (bytes > 0) {
    const got = await conn.read(buffer);
    if (got === null) throw new Error(`closed, ${bytes} bytes before the end`);
    bytes -= got;
  }
  if (bytes < 0) throw new Error(`${-bytes} bytes too many arrived`);
}

/** Answers that a publisher is given are not looked at. */
async function discard(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  while (await conn.read(buffer) !== null) continue;
}

interface Run {
  events: number;
  listeners: number;
  took_ms: number;
  cpu_s: number;
  times_ms: Float64Array | undefined;
}

function report({ events, listeners, took_ms, cpu_s, times_ms }: Run): void {
  const seconds = took_ms / 1000, times = times_ms?.sort();
  console.log(JSON.stringify({
    connections: listeners + 1,
    events,
    seconds,
    events_per_s: events / seconds,
    deliveries_per_s: events * listeners / seconds,
    driver_cpu_s: cpu_s,
    ...times && { p50_us: quantile(times, 0.5) * 1000, p99_us: quantile(times, 0.99) * 1000 },
  }));
}
