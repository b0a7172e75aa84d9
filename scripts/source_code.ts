/**
 * Takes comments and literals out of TypeScript, so that a rule about what code does is not set off by what it says.
 *
 * Each character that goes is replaced by a space and line breaks stay, so that offsets and line numbers remain true. The
 * quotes of a string stay too: `import("./x.ts")` can still be told from `import(path)`.
 *
 * @module
 */

/** Behind these a `/` begins a regular expression; behind anything else it divides. */
const BEFORE_REGEXP =
  /(?:^|[(,=:[!&|?{};*%~^<>]|(?<!\+)\+|(?<!-)-|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield|throw))$/;

/**
 * @param source TypeScript or JavaScript.
 * @returns The same text, as long, with comments, regular expressions and the insides of strings blank. What stands in
 * `${}` of a template is code and stays.
 * @throws {Error} If a comment, string, template or regular expression does not end.
 */
export function codeOnly(source: string): string {
  const kept: string[] = [];
  /** How many braces are open inside each `${` that the place is in, innermost last. */
  const substitutions: number[] = [];
  let at = 0;
  while (at < source.length) {
    const two = source.slice(at, at + 2), one = two[0]!;
    if (two === "//" || (at === 0 && two === "#!")) skip(endOfLine(at));
    else if (two === "/*") skip(find("*/", at + 2, "comment") + 2);
    else if (one === '"' || one === "'") string(one);
    else if (one === "`") template();
    else if (one === "/" && startsRegExp()) skip(endOfRegExp());
    else if (one === "{" && substitutions.length > 0) {
      substitutions[substitutions.length - 1]! += 1;
      keep(1);
    } else if (one === "}" && substitutions.length > 0) {
      keep(1);
      if (substitutions[substitutions.length - 1] === 0) {
        substitutions.pop();
        templateText();
      } else substitutions[substitutions.length - 1]! -= 1;
    } else keep(1);
  }
  if (substitutions.length > 0) throw new Error(unended("template", source.length));
  return kept.join("");

  function keep(length: number): void {
    kept.push(source.slice(at, at + length));
    at += length;
  }

  function skip(end: number): void {
    kept.push(source.slice(at, end).replace(/[^\n]/g, " "));
    at = end;
  }

  function string(quote: string): void {
    const start = at;
    keep(1);
    let end = at;
    while (source[end] !== quote) {
      if (end >= source.length || source[end] === "\n") throw new Error(unended("string", start));
      end += source[end] === "\\" ? 2 : 1;
    }
    skip(end);
    keep(1);
  }

  function template(): void {
    keep(1);
    templateText();
  }

  /** From inside a template up to its end or its next `${`. */
  function templateText(): void {
    let end = at;
    while (source[end] !== "`" && source.slice(end, end + 2) !== "${") {
      if (end >= source.length) throw new Error(unended("template", at));
      end += source[end] === "\\" ? 2 : 1;
    }
    skip(end);
    if (source[at] === "`") return keep(1);
    keep(2);
    substitutions.push(0);
  }

  function startsRegExp(): boolean {
    return BEFORE_REGEXP.test(kept.join("").slice(-200).trimEnd());
  }

  function endOfRegExp(): number {
    let end = at + 1, inClass = false;
    while (source[end] !== "/" || inClass) {
      if (end >= source.length || source[end] === "\n") throw new Error(unended("regular expression", at));
      if (source[end] === "[") inClass = true;
      if (source[end] === "]") inClass = false;
      end += source[end] === "\\" ? 2 : 1;
    }
    return end + 1;
  }

  function endOfLine(from: number): number {
    const end = source.indexOf("\n", from);
    return end < 0 ? source.length : end;
  }

  function find(what: string, from: number, name: string): number {
    const found = source.indexOf(what, from);
    if (found < 0) throw new Error(unended(name, from));
    return found;
  }

  function unended(name: string, start: number): string {
    return `line ${lineOf(source, start)}: ${name} does not end`;
  }
}

/** The number of the line that holds a place of a text, counted from 1. */
export function lineOf(source: string, offset: number): number {
  let line = 1;
  for (let at = source.indexOf("\n"); at >= 0 && at < offset; at = source.indexOf("\n", at + 1)) line++;
  return line;
}
