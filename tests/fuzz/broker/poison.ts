/**
 * Loaded before a broker: memory is overwritten as soon as nobody is said to need it, so that whoever still reads it sends
 * nonsense.
 *
 * @module
 */
import { buffers } from "../../../daemon/buffer_pool.ts";

buffers.poison = true;
