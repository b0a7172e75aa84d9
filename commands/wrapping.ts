/**
 * Text in lines of a given width: for help.
 *
 * @module
 */

/** A description that would get fewer columns than this beside its term stands below it. */
const DESCRIPTION_COLUMNS_MIN = 30;
/** How far in it stands there. */
const DESCRIPTION_INDENT = 6;

/** Breaks a text at spaces. A word that is longer than a line stands on one of its own. */
export function wrapText(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/**
 * A term with its description beside it or, where there is no room for that, below.
 *
 * @param term_columns How wide the widest term is.
 */
export function itemText(term: string, term_columns: number, description: string, columns: number): string {
  if (description === "") return `  ${term}`;
  const beside = columns - term_columns - 4;
  if (beside < DESCRIPTION_COLUMNS_MIN) {
    const indent = " ".repeat(DESCRIPTION_INDENT);
    const lines = wrapText(description, columns - DESCRIPTION_INDENT);
    return [`  ${term}`, ...lines.map((line) => indent + line)].join("\n");
  }
  const indent = `\n${" ".repeat(term_columns + 4)}`;
  return `  ${term.padEnd(term_columns)}  ${wrapText(description, beside).join(indent)}`;
}

/** Terms with their descriptions, an item below the other. */
export function itemsText(items: readonly (readonly [term: string, description: string])[], columns: number): string {
  const term_columns = Math.max(...items.map(([term]) => term.length));
  return items.map(([term, description]) => `${itemText(term, term_columns, description, columns)}\n`).join("");
}
