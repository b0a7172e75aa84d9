/**
 * Conditions on payloads, for `ipc listen --where`: the filter expressions of JSONPath (RFC 9535, 2.3.5), with names and
 * indices for paths, `@` being the payload.
 *
 *     or          = and *("||" and)
 *     and         = basic *("&&" basic)
 *     basic       = ["!"] "(" or ")" / ["!"] test / comparison
 *     test        = path / match / search
 *     comparison  = operand ("==" / "!=" / "<=" / ">=" / "<" / ">") operand
 *     operand     = path / length / number / string / "true" / "false" / "null"
 *     path        = "@" *("." name / "[" string "]" / "[" integer "]")
 *     length      = "length(" operand ")"
 *     match       = "match(" operand "," string ")"
 *     search      = "search(" operand "," string ")"
 *
 * Libraries take 15 to 23 ms to load (json-p3, jmespath), as long as the rest of `ipc listen`, or read the expression again
 * for each payload (jsonpath-rfc9535, 25 us); this takes 0.1 us.
 *
 * @module
 */

/** Whether a payload fits. `undefined` is a payload that is no value at all. */
export type Condition = (payload: unknown) => boolean;

/** What a part of an expression is worth, `undefined` for nothing: a path that leads nowhere. */
type Value = (payload: unknown) => unknown;

/**
 * Reads an expression.
 *
 * @throws {RangeError} If it is none, with the place where it ends to be one.
 */
export function parseCondition(text: string): Condition {
  return new Parser(text).condition();
}

/** A token: white space before it, then what it is. */
const TOKEN =
  /\s*(?:(?<sign>&&|\|\||[=!<>]=|[<>!()[\].,@])|(?<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<name>[\p{L}_][\p{L}\p{N}_]*)|(?<end>$))/uy;

const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([["true", true], ["false", false], [
  "null",
  null,
]]);

class Parser {
  readonly #text: string;
  #at = 0;
  #kind = "";
  #token = "";
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#next();
  }

  condition(): Condition {
    const condition = this.#or();
    if (this.#kind !== "end") throw this.#wrong("&&, || or the end");
    return condition;
  }

  #or(): Condition {
    const parts = [this.#and()];
    while (this.#takes("||")) parts.push(this.#and());
    return parts.length === 1 ? parts[0]! : (payload) => parts.some((part) => part(payload));
  }

  #and(): Condition {
    const parts = [this.#basic()];
    while (this.#takes("&&")) parts.push(this.#basic());
    return parts.length === 1 ? parts[0]! : (payload) => parts.every((part) => part(payload));
  }

  #basic(): Condition {
    // Brackets in brackets: each is a call of a call.
    if (++this.#depth > DEPTH_MAX) throw this.#wrong(`no more than ${DEPTH_MAX} brackets or "!" in each other`);
    const condition = this.#takes("!")
      ? not(this.#basicTest())
      : this.#takes("(")
      ? this.#inBrackets()
      : this.#comparison();
    this.#depth--;
    return condition;
  }

  #basicTest(): Condition {
    if (this.#takes("(")) return this.#inBrackets();
    return this.#test() ?? this.#exists(this.#path());
  }

  #inBrackets(): Condition {
    const condition = this.#or();
    this.#expect(")");
    return condition;
  }

  #comparison(): Condition {
    const test = this.#test();
    if (test !== undefined) return test;
    const is_path = this.#token === "@" && this.#kind === "sign", left = this.#operand();
    const compare = this.#kind === "sign" ? COMPARISONS.get(this.#token) : undefined;
    if (compare === undefined) {
      if (is_path) return this.#exists(left);
      throw this.#wrong("==, !=, <, <=, > or >=");
    }
    this.#next();
    const right = this.#operand();
    return (payload) => compare(left(payload), right(payload));
  }

  #exists(value: Value): Condition {
    return (payload) => value(payload) !== undefined;
  }

  /** `match()` and `search()`, which are true or false by themselves. */
  #test(): Condition | undefined {
    const whole = this.#token === "match";
    if (this.#kind !== "name" || !(whole || this.#token === "search")) return undefined;
    this.#next();
    this.#expect("(");
    const operand = this.#operand();
    this.#expect(",");
    const at = this.#at - this.#token.length;
    const source = this.#string();
    if (source === undefined) throw this.#wrong("a regular expression as a string");
    this.#expect(")");
    let pattern: RegExp;
    try {
      pattern = new RegExp(whole ? `^(?:${source})$` : source, "u");
    } catch (error) {
      throw new RangeError(`character ${at + 1}: ${(error as Error).message}`);
    }
    return (payload) => {
      const text = operand(payload);
      return typeof text === "string" && pattern.test(text);
    };
  }

  #operand(): Value {
    const kind = this.#kind, token = this.#token;
    if (kind === "sign" && token === "@") return this.#path();
    const string = this.#string();
    if (string !== undefined) return () => string;
    if (kind === "number") {
      this.#next();
      return () => Number(token);
    }
    if (kind === "name" && CONSTANTS.has(token)) {
      this.#next();
      return () => CONSTANTS.get(token);
    }
    if (kind === "name" && token === "length") {
      this.#next();
      this.#expect("(");
      const operand = this.#operand();
      this.#expect(")");
      return (payload) => lengthOf(operand(payload));
    }
    throw this.#wrong("@, a number, a string, true, false, null, length(), match() or search()");
  }

  #path(): Value {
    this.#expect("@");
    const steps: (string | number)[] = [];
    for (;;) {
      if (this.#takes(".")) {
        if (this.#kind !== "name") throw this.#wrong('a name, or ["a name"]');
        steps.push(this.#token);
        this.#next();
      } else if (this.#takes("[")) {
        const name = this.#string();
        if (name !== undefined) steps.push(name);
        else if (this.#kind === "number" && /^(?:0|-?[1-9]\d*)$/.test(this.#token)) {
          steps.push(Number(this.#token));
          this.#next();
        } else throw this.#wrong("a string or a whole number");
        this.#expect("]");
      } else return (payload) => steps.reduce(step, payload);
    }
  }

  /** A string, if one stands here. Single quotes are as in JSONPath: a double quote in them needs no backslash. */
  #string(): string | undefined {
    if (this.#kind !== "string") return undefined;
    const token = this.#token, at = this.#at - token.length, inner = token.slice(1, -1);
    const json = token[0] === '"'
      ? inner
      : inner.replaceAll(/\\.|"/gsu, (part) => part === '"' ? '\\"' : part === "\\'" ? "'" : part);
    try {
      const value: string = JSON.parse(`"${json}"`);
      this.#next();
      return value;
    } catch {
      throw new RangeError(`character ${at + 1}: ${token} is no string: a backslash in it is written \\\\`);
    }
  }

  /** Goes on if this sign stands here. */
  #takes(sign: string): boolean {
    if (this.#kind !== "sign" || this.#token !== sign) return false;
    this.#next();
    return true;
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw this.#wrong(`"${sign}"`);
  }

  #next(): void {
    TOKEN.lastIndex = this.#at;
    const found = TOKEN.exec(this.#text);
    if (found === null) {
      this.#kind = "";
      this.#token = this.#text.slice(this.#at).trimStart();
      this.#at = this.#text.length;
      return;
    }
    this.#at = TOKEN.lastIndex;
    [this.#kind, this.#token] = Object.entries(found.groups!).find(([, text]) => text !== undefined) as [
      string,
      string,
    ];
  }

  #wrong(expected: string): RangeError {
    const at = this.#at - this.#token.length + 1;
    const found = this.#kind === "end" ? "the end" : JSON.stringify(this.#token);
    return new RangeError(`character ${at}: expected ${expected}, found ${found}`);
  }
}

/** How deep an expression may be. */
const DEPTH_MAX = 100;
/** How deep arrays and objects are compared. */
const COMPARED_DEPTH_MAX = 1000;

const COMPARISONS: ReadonlyMap<string, (left: unknown, right: unknown) => boolean> = new Map([
  ["==", (left, right) => equal(left, right)],
  ["!=", (left, right) => !equal(left, right)],
  ["<", less],
  [">", (left, right) => less(right, left)],
  ["<=", (left, right) => less(left, right) || equal(left, right)],
  [">=", (left, right) => less(right, left) || equal(left, right)],
]);

function not(condition: Condition): Condition {
  return (payload) => !condition(payload);
}

function step(value: unknown, to: string | number): unknown {
  if (typeof to === "number") return Array.isArray(value) ? value.at(to) : undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, to)) {
    return undefined;
  }
  return (value as Record<string, unknown>)[to];
}

function lengthOf(value: unknown): number | undefined {
  if (typeof value === "string") return [...value].length;
  if (typeof value !== "object" || value === null) return undefined;
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

/** Numbers with numbers and strings with strings; nothing else has an order. */
function less(left: unknown, right: unknown): boolean {
  if (typeof left === "number" && typeof right === "number") return left < right;
  return typeof left === "string" && typeof right === "string" && compareText(left, right) < 0;
}

/** By code points, as RFC 9535 has it. JavaScript compares what UTF-16 makes of them. */
function compareText(left: string, right: string): number {
  const one = left[Symbol.iterator](), other = right[Symbol.iterator]();
  for (;;) {
    const a = one.next().value, b = other.next().value;
    if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
    if (a !== b) return a.codePointAt(0)! - b.codePointAt(0)!;
  }
}

/** @param depth How deep in both this is. A stranger decides how deep a payload is, and the stack is not endless. */
function equal(left: unknown, right: unknown, depth = 0): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right) || depth === COMPARED_DEPTH_MAX) return false;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) =>
    Object.hasOwn(right, name) &&
    equal((left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name], depth + 1)
  );
}
