/**
 * How many columns text takes on a terminal: as wcwidth(3) has it, code point by code point. Letters of East Asia and
 * emoji take two; what is put on the letter before it, what cannot be seen and control characters take none.
 *
 * @module
 */

/** First and last of the wide ones that are not emoji. Places where nothing stands yet count as their block does. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0x3247],
  [0x3250, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18d08],
  [0x1aff0, 0x1b2fb],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];
/** Before it, what takes no column is a control character. */
const FIRST_COMBINING = 0x300;
const UNSEEN = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;
const EMOJI = /^\p{Emoji_Presentation}$/u;

/** Columns of one code point. */
export function codePointWidth(code: number): 0 | 1 | 2 {
  if (code < FIRST_COMBINING) return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : 1;
  const character = String.fromCodePoint(code);
  if (UNSEEN.test(character)) return 0;
  if (code < 0x1100) return 1;
  for (const [first, last] of WIDE) if (code >= first && code <= last) return 2;
  // Two of these letters make a flag, which takes two columns.
  if (code >= 0x1f1e6 && code <= 0x1f1ff) return 1;
  return EMOJI.test(character) ? 2 : 1;
}

/** Columns of a text. */
export function displayWidth(text: string): number {
  let columns = 0;
  for (const character of text) columns += codePointWidth(character.codePointAt(0)!);
  return columns;
}

/** A beginning of some bytes. */
export interface Beginning {
  /** How many bytes it has. */
  bytes: number;
  /** How many columns it takes. */
  columns: number;
}

/**
 * The longest beginning of UTF-8 text that takes no more columns than this. No character is cut in two. A byte that is
 * no part of a character takes a column, as the sign takes that terminals show for it.
 */
export function beginningOf(text: Uint8Array, columns_max: number): Beginning {
  let columns = 0, at = 0;
  while (at < text.length) {
    const byte = text[at]!;
    let code = byte, length = 1;
    if (byte >= 0x80) {
      length = characterLength(text, at);
      code = length === 1 ? REPLACEMENT : decodeCharacter(text, at, length);
    }
    const width = codePointWidth(code);
    // Behind the last column only what belongs to the character there: a payload may hold megabytes of NUL.
    if (columns + width > columns_max || (columns === columns_max && (code < FIRST_COMBINING || columns === 0))) break;
    columns += width;
    at += length;
  }
  return { bytes: at, columns };
}

/** What terminals show for a byte that is no part of a character. */
const REPLACEMENT = 0xfffd;

/** How many bytes a character that begins with a byte of 0x80 and more has; 1 if it is none. */
function characterLength(text: Uint8Array, at: number): number {
  const first = text[at]!, second = text[at + 1] ?? 0;
  const length = first >= 0xc2 && first < 0xe0
    ? 2
    : first >= 0xe0 && first < 0xf0
    ? 3
    : first >= 0xf0 && first < 0xf5
    ? 4
    : 1;
  for (let next = 1; next < length; next++) if (((text[at + next] ?? 0) & 0xc0) !== 0x80) return 1;
  // Longer than need be, half of a pair, or beyond Unicode.
  const wrong = (first === 0xe0 && second < 0xa0) || (first === 0xed && second >= 0xa0) ||
    (first === 0xf0 && second < 0x90) || (first === 0xf4 && second >= 0x90);
  return wrong ? 1 : length;
}

function decodeCharacter(text: Uint8Array, at: number, length: number): number {
  let code = text[at]! & (0x7f >> length);
  for (let next = 1; next < length; next++) code = code << 6 | (text[at + next]! & 0x3f);
  return code;
}
