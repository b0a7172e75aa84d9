/**
 * Loaded into a broker before the broker itself: says on SIGUSR2 whether the prototypes of what is built in are what they
 * were, as a line on standard error.
 *
 * @module
 */
const WATCHED = [Object, Array, Function, String, Map, Uint8Array];

const before = WATCHED.map(({ prototype }) => Object.getOwnPropertyDescriptors(prototype) as PropertyDescriptorMap);

Deno.addSignalListener("SIGUSR2", () => {
  const changed = WATCHED.flatMap(({ name, prototype }, index) => {
    const was = before[index]!, is = Object.getOwnPropertyDescriptors(prototype) as PropertyDescriptorMap;
    return [...new Set([...Reflect.ownKeys(was), ...Reflect.ownKeys(is)])]
      .filter((key) => !same(was[key as string], is[key as string]))
      .map((key) => `${name}.prototype.${String(key)}`);
  });
  console.error(`prototypes: ${changed.length === 0 ? "untouched" : changed.join(", ")}`);
});

function same(one: PropertyDescriptor | undefined, other: PropertyDescriptor | undefined): boolean {
  return one?.value === other?.value && one?.get === other?.get && one?.set === other?.set;
}
