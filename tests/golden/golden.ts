/**
 * Reads frames.txt, the bytes of every kind of frame.
 *
 * @module
 */

/** One entry. */
export interface Golden {
  meaning: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** `# meaning` lines, then `name: hex`; spaces in the hex mean nothing. */
export function readGolden(): Map<string, Golden> {
  const text = Deno.readTextFileSync(new URL("frames.txt", import.meta.url));
  const all = new Map<string, Golden>();
  let meaning = "";
  for (const line of text.split("\n")) {
    const entry = /^([a-z0-9_]+):((?: [0-9a-f]+)+)$/.exec(line);
    if (line.startsWith("#")) meaning += line.slice(1);
    else if (line === "") meaning = "";
    else if (entry === null) throw new Error(`Cannot read ${JSON.stringify(line)} of frames.txt as "name: hex"`);
    else {
      const [, name, hex] = entry as unknown as [string, string, string];
      if (all.has(name)) throw new Error(`frames.txt has ${name} twice`);
      all.set(name, { meaning, bytes: Uint8Array.fromHex(hex.replaceAll(" ", "")) });
      meaning = "";
    }
  }
  return all;
}
