/**
 * Tables and lists of fields for people. Names come from strangers: what could command a terminal is made visible.
 *
 * @module
 */
import { displayWidth } from "./display_width.ts";
import { printable } from "./notice.ts";

/** What may stand in a cell. */
export type Cell = string | number | boolean | null | undefined;

/** A column: its heading, and whether its numbers stand at the right. */
export interface Column {
  heading: string;
  right?: boolean;
}

/** Rows under headings; nothing at all for no rows. The last column is as long as it is. */
export function tableText(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return "";
  const lines = [columns.map(({ heading }) => heading), ...rows.map((row) => row.map(cellText))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => displayWidth(line[at]!))));
  return lines.map((line) => {
    const cells = line.map((text, at) => {
      const spaces = " ".repeat(widths[at]! - displayWidth(text));
      return columns[at]!.right ? spaces + text : text + spaces;
    });
    return `${cells.join("  ").trimEnd()}\n`;
  }).join("");
}

/** A field a line, its name in front. */
export function fieldsText(fields: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}\n`).join("");
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined || cell === "") return "-";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  return printable(String(cell));
}
