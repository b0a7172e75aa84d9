/**
 * Channel names. A name is part of a file's name, so it can hold no separator, and it does not begin with `.` or `-`.
 *
 * @module
 */
import { IpcError } from "./errors.ts";
import { GLOB_CHARACTERS_MAX } from "./limits.ts";

/** How long a channel's name may be. */
const NAME_CHARACTERS_MAX = 64;

/** The broker's own channel: it handles the requests there and sends the events. */
export const CONTROL_CHANNEL = "ipcd";

/** Whether a text is a channel name. By hand, because the first regular expression of a process costs it 0.07 ms. */
export function isChannelName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_CHARACTERS_MAX || name[0] === "." || name[0] === "-") return false;
  for (const character of name) if (!isAllowed(character)) return false;
  return true;
}

function isAllowed(character: string): boolean {
  return character >= "a" && character <= "z" || character >= "A" && character <= "Z" ||
    character >= "0" && character <= "9" || character === "_" || character === "." || character === "-";
}

/**
 * @returns The name itself.
 * @throws {IpcError} CHANNEL_NAME, with the name and what is allowed.
 *
 * @example
 * ```ts
 * import { checkChannelName } from "./channel_name.ts";
 *
 * checkChannelName("deploys.eu-1");
 * ```
 */
export function checkChannelName(name: string): string {
  if (isChannelName(name)) return name;
  throw new IpcError(
    "CHANNEL_NAME",
    `${
      JSON.stringify(name)
    } is not a channel name: 1 to 64 letters, digits, "_", "." or "-", not beginning with "." or "-"`,
  );
}

/**
 * Makes a test of names from a glob: `*` is any run of characters, `?` any one, `[a-z]` one of a set, `[!a-z]` one
 * outside it. Everything else is itself.
 *
 * @throws {IpcError} CHANNEL_NAME for a glob over 256 characters or a set that does not end.
 */
export function channelGlob(glob: string): (name: string) => boolean {
  if (glob.length > GLOB_CHARACTERS_MAX) {
    throw new IpcError("CHANNEL_NAME", `glob is ${glob.length} characters, limit is ${GLOB_CHARACTERS_MAX}`);
  }
  const parts: ((character: string) => boolean | "any")[] = [];
  for (let at = 0; at < glob.length; at++) {
    const character = glob[at]!;
    if (character === "*") {
      if (parts.at(-1) !== ANY) parts.push(ANY);
    } else if (character === "?") parts.push(() => true);
    else if (character === "[") {
      // A "]" right behind the beginning stands for itself.
      const end = glob.indexOf("]", at + (isNegation(glob[at + 1]) ? 3 : 2));
      if (end < 0) throw new IpcError("CHANNEL_NAME", `glob ${JSON.stringify(glob)} has a "[" without its "]"`);
      parts.push(set(glob.slice(at + 1, end)));
      at = end;
    } else parts.push((other) => other === character);
  }
  return (name) => matches(parts, name);
}

/** Whether a text is a glob rather than a name. */
export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

const ANY = (): "any" => "any";

function set(inside: string): (character: string) => boolean {
  const negated = isNegation(inside[0]);
  const items = negated ? inside.slice(1) : inside;
  return (character) => {
    for (let at = 0; at < items.length; at++) {
      if (items[at + 1] === "-" && at + 2 < items.length) {
        if (character >= items[at]! && character <= items[at + 2]!) return !negated;
        at += 2;
      } else if (items[at] === character) return !negated;
    }
    return negated;
  };
}

function isNegation(character: string | undefined): boolean {
  return character === "!" || character === "^";
}

/** Goes back to the last `*` only, so it takes at most name x glob steps whatever the glob. */
function matches(parts: readonly ((character: string) => boolean | "any")[], name: string): boolean {
  let at = 0, part = 0, star = -1, from = 0;
  while (at < name.length) {
    if (part < parts.length && parts[part] === ANY) {
      star = part++;
      from = at;
    } else if (part < parts.length && parts[part]!(name[at]!) === true) {
      at++;
      part++;
    } else if (star >= 0) {
      part = star + 1;
      at = ++from;
    } else return false;
  }
  while (part < parts.length && parts[part] === ANY) part++;
  return part === parts.length;
}
