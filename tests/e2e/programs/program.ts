/**
 * What the programs of the end-to-end tests share: they are given one JSON value, take orders as lines on standard
 * input, and answer with JSON, one object a line. They end with their standard input.
 *
 * @module
 */

/** What the test gave. */
export function given<T>(): T {
  return JSON.parse(Deno.args[0]!) as T;
}

/** Tells the test something. */
export function tell(type: string, about: Record<string, unknown> = {}): void {
  const bytes = new TextEncoder().encode(JSON.stringify({ type, ...about }) + "\n");
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/** Obeys until standard input ends. */
export async function obey(orders: Record<string, () => unknown>): Promise<void> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) await orders[line]!();
  }
  Deno.exit(0);
}
