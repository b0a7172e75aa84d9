/**
 * A broker as `ipc daemon run` starts it, but that it overwrites memory as soon as nobody is said to need it: whoever
 * still reads it then sends nonsense.
 *
 * @module
 */
import { dispatch } from "../../../commands/dispatch.ts";
import { processIo } from "../../../commands/io.ts";
import { buffers } from "../../../daemon/buffer_pool.ts";

buffers.poison = true;
Deno.exit(await dispatch(["daemon", "run"], processIo()));
