/**
 * Everything that takes bytes or text from outside.
 *
 * @module
 */
import type { Target } from "../target.ts";
import { ACCESS } from "./access.ts";
import { BODIES, BODY_VALUES } from "./bodies.ts";
import { CONFIG, NAMES, TOKENS, UNITS } from "./config.ts";
import { FRAMES_OUT, JSON_SCAN, LINES_IN } from "./json.ts";
import { LINE_READER } from "./line_reader.ts";
import { SCANNER } from "./scanner.ts";
import { PAYLOADS, STRUCTURED, STRUCTURED_VALUES } from "./structured.ts";

/** All targets that need no broker. */
export const DECODERS: readonly Target[] = [
  SCANNER,
  BODIES,
  BODY_VALUES,
  PAYLOADS,
  STRUCTURED,
  STRUCTURED_VALUES,
  JSON_SCAN,
  LINES_IN,
  FRAMES_OUT,
  LINE_READER,
  CONFIG,
  TOKENS,
  UNITS,
  NAMES,
  ACCESS,
];
