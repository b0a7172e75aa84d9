/**
 * Loaded into a broker before the broker itself: says on SIGUSR2 whether the prototypes of what is built in are what they
 * were, as a line on standard error. Uses nothing of what it watches.
 *
 * @module
 */
const WATCHED = [Object, Array, Function, String, Map, Uint8Array];
const { getOwnPropertyDescriptor, ownKeys } = Reflect, { error } = console;

/** Keys and values of all of them, one behind the other. */
function look(): unknown[] {
  const seen: unknown[] = [];
  let length = 0;
  for (let at = 0; at < WATCHED.length; at++) {
    const prototype = WATCHED[at]!.prototype as object, keys = ownKeys(prototype);
    for (let index = 0; index < keys.length; index++) {
      const found = getOwnPropertyDescriptor(prototype, keys[index]!)!;
      seen[length++] = keys[index];
      seen[length++] = found.value;
      seen[length++] = found.get;
    }
  }
  return seen;
}

const before = look();

Deno.addSignalListener("SIGUSR2", () => {
  const now = look();
  let same = now.length === before.length;
  for (let at = 0; at < before.length; at++) same &&= now[at] === before[at];
  error(same ? "prototypes: untouched" : "prototypes: changed");
});
