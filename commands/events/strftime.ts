/**
 * Dates as strftime(3) writes them, in the zone of this process and the names of the C locale.
 *
 * @module
 */

/** What one conversion shows, for people and in a date. */
interface Conversion {
  shows: string;
  text: (date: Date) => string;
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAY_MS = 86_400_000;

function digits(value: number, count: number, fill = "0"): string {
  return String(value).padStart(count, fill);
}

function hour12(date: Date): number {
  return date.getHours() % 12 || 12;
}

function dayOfYear(date: Date): number {
  const midnight = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return (midnight - Date.UTC(date.getFullYear(), 0, 0)) / DAY_MS;
}

function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset(), size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${digits(Math.floor(size / 60), 2)}${digits(size % 60, 2)}`;
}

/** The conversions by their letters. */
export const TIME_CONVERSIONS: ReadonlyMap<string, Conversion> = new Map(Object.entries(
  {
    Y: { shows: "year", text: (date) => digits(date.getFullYear(), 4) },
    y: { shows: "year, the last two digits", text: (date) => digits(date.getFullYear() % 100, 2) },
    m: { shows: "month, 01 to 12", text: (date) => digits(date.getMonth() + 1, 2) },
    b: { shows: "month, `Jan`", text: (date) => MONTHS[date.getMonth()]!.slice(0, 3) },
    B: { shows: "month, `January`", text: (date) => MONTHS[date.getMonth()]! },
    d: { shows: "day of the month, 01 to 31", text: (date) => digits(date.getDate(), 2) },
    e: { shows: "the same, with a space for the zero", text: (date) => digits(date.getDate(), 2, " ") },
    j: { shows: "day of the year, 001 to 366", text: (date) => digits(dayOfYear(date), 3) },
    a: { shows: "weekday, `Mon`", text: (date) => DAYS[date.getDay()]!.slice(0, 3) },
    A: { shows: "weekday, `Monday`", text: (date) => DAYS[date.getDay()]! },
    u: { shows: "weekday, 1 (Monday) to 7", text: (date) => String(date.getDay() || 7) },
    w: { shows: "weekday, 0 (Sunday) to 6", text: (date) => String(date.getDay()) },
    H: { shows: "hour, 00 to 23", text: (date) => digits(date.getHours(), 2) },
    I: { shows: "hour, 01 to 12", text: (date) => digits(hour12(date), 2) },
    p: { shows: "`AM` or `PM`", text: (date) => date.getHours() < 12 ? "AM" : "PM" },
    M: { shows: "minute, 00 to 59", text: (date) => digits(date.getMinutes(), 2) },
    S: { shows: "second, 00 to 59", text: (date) => digits(date.getSeconds(), 2) },
    "3N": { shows: "millisecond, 000 to 999", text: (date) => digits(date.getMilliseconds(), 3) },
    s: { shows: "seconds since 1970", text: (date) => String(Math.floor(date.getTime() / 1000)) },
    z: { shows: "offset from UTC, `+0100`", text: offset },
    F: { shows: "`%Y-%m-%d`", text: (date) => strftime("%Y-%m-%d")(date) },
    D: { shows: "`%m/%d/%y`", text: (date) => strftime("%m/%d/%y")(date) },
    T: { shows: "`%H:%M:%S`", text: (date) => strftime("%H:%M:%S")(date) },
    R: { shows: "`%H:%M`", text: (date) => strftime("%H:%M")(date) },
    "%": { shows: "a percent sign", text: () => "%" },
  } satisfies Record<string, Conversion>,
));

/**
 * Prepares a format.
 *
 * @returns Writes a date in it.
 * @throws {RangeError} If it holds a conversion that is not known.
 */
export function strftime(format: string): (date: Date) => string {
  const parts = format.match(/%(?:3N|.?)|[^%]+/gsu) ?? [];
  for (const part of parts) {
    if (part.startsWith("%") && !TIME_CONVERSIONS.has(part.slice(1))) {
      throw new RangeError(
        `${JSON.stringify(part)} is no part of a time: one of %${[...TIME_CONVERSIONS.keys()].join(" %")}`,
      );
    }
  }
  return (date) =>
    parts.map((part) => part.startsWith("%") ? TIME_CONVERSIONS.get(part.slice(1))!.text(date) : part).join("");
}
