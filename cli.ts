/**
 * The program: arguments to one command, and its exit code. The only place that ends the process.
 *
 * @module
 */
import { dispatch } from "./commands/dispatch.ts";
import { type EndingSignal, SIGNAL_EXITS } from "./commands/exit_codes.ts";
import { processIo } from "./commands/io.ts";

/** Ends as the signal itself would have, so that the shell's loop around the command ends too. */
function endBySignal(signal: EndingSignal): void {
  try {
    Deno.kill(Deno.pid, signal);
  } catch { /* not allowed to: the exit code says the same */ }
}

if (import.meta.main) {
  const io = processIo();
  const code = await dispatch(Deno.args, io);
  if (io.last_signal !== undefined && SIGNAL_EXITS[io.last_signal] === code) endBySignal(io.last_signal);
  Deno.exit(code);
}
