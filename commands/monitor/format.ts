/**
 * What the broker shows to a monitor, as lines for people.
 *
 * @module
 */
import { type Encoding, ENCODINGS } from "../../protocol/frame.ts";
import type { StructuredCodec } from "../../protocol/payload.ts";
import { decodeUtf8 } from "../../protocol/utf8.ts";
import { painted } from "../color.ts";
import { printable } from "../notice.ts";
import { payloadJson } from "../payload_text.ts";

/** One frame, or a gap, as it comes from the broker. What is not there does not apply. */
export interface MonitorRecord {
  time_ms: number;
  type: string;
  /** How many frames are not shown, of a gap. */
  missed?: number;
  channel: string;
  direction: "in" | "out";
  /** Who sent it, or to whom it goes; 0 is the broker. */
  client: number;
  name: string;
  size: number;
  seq?: number;
  id?: number;
  source?: number;
  target?: number;
  status?: number;
  listeners?: number;
  timeout_ms?: number;
  flags?: readonly string[];
  /** A body of the protocol's own. */
  data?: unknown;
  encoding?: "bytes" | "text" | "json" | "structured";
  payload_bytes?: number;
  text?: string;
  base64?: string;
}

const SHOWN = ["seq", "id", "source", "target", "status", "listeners", "timeout_ms"] as const;

/** Colours by type; what else passes is the protocol's own and faint. */
const COLORS: Readonly<Record<string, string>> = { event: "32", request: "36", reply: "34" };
const FAINT = "2", ERROR_COLOR = "31";

/** A line without its end. */
export function recordLine(
  record: MonitorRecord,
  structured: StructuredCodec | undefined,
  color = false,
): string {
  const { channel, direction, type, client, name, size } = record;
  const who = client === 0 ? "broker" : name === "" ? String(client) : `${client} ${printable(name)}`;
  const details = SHOWN.filter((key) => record[key] !== undefined).map((key) => `${key}=${record[key]}`);
  if (record.flags !== undefined) details.push(record.flags.join(","));
  const painting = (text: string, with_color: string) => painted(text, color ? with_color : "");
  return [
    painting(timeText(record.time_ms), FAINT),
    channel.padEnd(12),
    direction.padEnd(3),
    painting(type.padEnd(8), record.flags?.includes("error") ? ERROR_COLOR : COLORS[type] ?? FAINT),
    who.padEnd(16),
    `${size}B`.padStart(7),
    [...details, payloadPreview(record, structured)].filter((text) => text !== "").join("  "),
  ].join("  ").trimEnd();
}

/** The same as JSON, on one line: as the broker has it, but for the time. */
export function recordJson({ time_ms, ...record }: MonitorRecord): string {
  return JSON.stringify({ time: new Date(time_ms).toISOString(), ...record });
}

/** Whether its payload is one that needs a codec to be shown. */
export function needsCodec({ encoding, base64, payload_bytes }: MonitorRecord): boolean {
  return encoding === "structured" && base64 !== undefined && bytesOf(base64).length === payload_bytes;
}

function timeText(time_ms: number): string {
  const time = new Date(time_ms), two = (number: number) => String(number).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${
    String(time.getMilliseconds()).padStart(3, "0")
  }`;
}

function payloadPreview(record: MonitorRecord, structured: StructuredCodec | undefined): string {
  const { data, text, base64, payload_bytes } = record;
  if (data !== undefined) return printable(JSON.stringify(data));
  if (payload_bytes === undefined) return "";
  if (text !== undefined) {
    return `${printable(text)}${new TextEncoder().encode(text).length < payload_bytes ? "..." : ""}`;
  }
  if (base64 === undefined) return "...";
  const bytes = bytesOf(base64), whole = bytes.length === payload_bytes;
  if (whole && record.encoding === "structured" && structured !== undefined) {
    return printable(payloadJson(ENCODINGS.STRUCTURED as Encoding, bytes, structured));
  }
  return `${bytesText(bytes)}${whole ? "" : "..."}`;
}

/** Text if it is that, else hexadecimal digits. */
function bytesText(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    const text = decodeUtf8(bytes);
    // deno-lint-ignore no-control-regex -- what tells text from other bytes
    if (!/[\x00-\x08\x0e-\x1f]/.test(text)) return printable(text);
  } catch {
    // No text.
  }
  return `0x${bytes.toHex()}`;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(base64);
}
