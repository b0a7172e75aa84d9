/**
 * Everything that is measured.
 *
 * @module
 */
import type { Case } from "../case.ts";
import { BROKER_CASES } from "./brokers.ts";
import { COMMAND_LINE_CASES } from "./command_line.ts";
import { MEMORY_CASES } from "./memory.ts";
import { LIBRARY_CASES } from "./libraries.ts";

/** In the order of the table. */
export const CASES: readonly Case[] = [...BROKER_CASES, ...LIBRARY_CASES, ...COMMAND_LINE_CASES, ...MEMORY_CASES];
