/**
 * What some clients do to a broker, each on a connection of its own and all at once: what they say, in which pieces, when
 * they pause, whether they read, how they end.
 *
 * @module
 */
import type { Overflow } from "../../../protocol/bodies.ts";
import { GOLDEN } from "../grammar/frames.ts";
import { mutated } from "../mutate.ts";
import { type Choices, Random } from "../random.ts";
import { answer, directFrame, SAYINGS } from "./sayings.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One thing that a client does. */
export type Step =
  | { do: "send"; hex: string }
  | { do: "pause"; ms: number }
  | { do: "half-close" }
  /** So many events of that many bytes. */
  | { do: "flood"; count: number; bytes: number }
  /** A frame to somebody who has been heard of, or to itself. */
  | { do: "direct"; hex: string };

/** What one client does. */
export interface Part {
  channel: string;
  /** Whether it comes by the network, to a listener of all channels. */
  by_network: boolean;
  dialect: "frames" | "json" | "text" | "simple" | "noise";
  /** Whether it reads what the broker says. */
  reads: boolean;
  steps: Step[];
  /** REPLY frames, for the requests that it is given. */
  answers: string[];
  /** If all that it says is right it ends with a PING of this id, which must be answered. */
  ping?: number;
  /** How long it stays when it has done everything; then it is gone without a word. */
  stays_ms: number;
}

/** See the module's head. */
export interface Episode {
  number: number;
  parts: Part[];
}

/** Channels by what happens on them to a listener that is slow. On "closed" there are rules. */
export const CHANNELS: Readonly<Record<string, Overflow>> = {
  jobs: "block",
  drops: "drop",
  cuts: "disconnect",
  closed: "block",
};

/** The broker that all this is done to. Small limits, so that they are reached. */
export const CONFIG = `
max_message = "256KiB"
queue = "64KiB"
history = "64KiB"
stall_timeout = "200ms"
request_timeout = "500ms"
channel_idle = "1s"
[[listen]]
tcp = "127.0.0.1:0"
${Object.entries(CHANNELS).map(([channel, overflow]) => `[channels.${channel}]\noverflow = "${overflow}"\n`).join("")}
[channels.closed.access]
send = { allow = ["name:a"] }
handle = { deny = ["*"] }
request = { deny = ["name:constructor"] }
see = { allow = [] }
`;

const PAUSES_MS = [1, 1, 2, 5, 20, 60, 250];

/** An episode; the same for the same seed and number. */
export function episodeOf(seed: string, number: number): Episode {
  const choices = new Random(`${seed} broker ${number}`);
  return { number, parts: choices.many(1 + choices.size(9), () => part(choices)) };
}

function part(choices: Choices): Part {
  const channel = choices.oneIn(7) ? "ipcd" : choices.pick(Object.keys(CHANNELS));
  const dialect = choices.pick(["frames", "frames", "frames", "json", "json", "text", "simple", "noise"] as const);
  const speaks = dialect === "frames" || dialect === "json", by_network = choices.oneIn(8);
  const is_right = speaks && choices.oneIn(3) && channel === "jobs";
  const ping = is_right ? 1 + choices.below(1e6) : undefined;
  const said = SAYINGS[dialect](choices, {
    channel,
    ping,
    names_channel: by_network && (is_right || !choices.oneIn(20)),
  });
  const wrong = !is_right && choices.oneIn(3) && channel !== "ipcd";
  const steps = inPieces(wrong ? mutated(said, choices, GOLDEN) : said, choices, is_right);
  if (dialect === "frames" && !is_right) {
    if (choices.oneIn(6)) steps.push({ do: "flood", count: 1 + choices.size(30), bytes: choices.size(60_000) });
    if (choices.oneIn(40)) steps.push({ do: "flood", count: 1, bytes: 262_144 + choices.below(2) });
    if (choices.oneIn(3)) steps.push({ do: "pause", ms: 5 }, { do: "direct", hex: directFrame(choices).toHex() });
  }
  if (dialect === "simple" || !is_right && choices.oneIn(4)) steps.push({ do: "half-close" });
  const answers = dialect === "frames" ? choices.many(choices.below(6), () => answer(choices).toHex()) : [];
  const stays_ms = is_right || choices.oneIn(3) ? choices.size(100) : choices.size(10),
    reads = is_right || !choices.oneIn(4);
  return { channel, by_network, dialect, reads, steps, answers, stays_ms, ...is_right && { ping: ping! } };
}

/** As it leaves the client: whole, in some pieces, in single bytes, with pauses between. */
function inPieces(bytes: Bytes, choices: Choices, at_once: boolean): Step[] {
  const steps: Step[] = [], whole = choices.oneIn(2), most = choices.oneIn(8) ? 1 : Math.max(1, bytes.length);
  // The broker would take who is silent at first for a listener.
  if (!at_once && choices.oneIn(15)) steps.push({ do: "pause", ms: 260 });
  for (let at = 0, pieces = 0; at < bytes.length; pieces++) {
    const end = whole || pieces > 40 ? bytes.length : Math.min(bytes.length, at + 1 + choices.size(most));
    steps.push({ do: "send", hex: bytes.subarray(at, end).toHex() });
    at = end;
    if (at < bytes.length && choices.oneIn(3)) steps.push({ do: "pause", ms: at_once ? 1 : choices.pick(PAUSES_MS) });
  }
  return steps;
}
