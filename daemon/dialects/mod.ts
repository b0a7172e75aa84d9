/**
 * The first byte that a client sends chooses how the two talk. Each dialect is a file of this folder, and turns what it
 * reads into calls of the router.
 *
 * @module
 */
import { PREFACE } from "../../protocol/frame.ts";
import type { Channel } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import type { Connection } from "../transport/connection.ts";
import { serveBinary } from "./binary.ts";
import { isDisconnect } from "./binary_peer.ts";
import type { Service } from "./service.ts";

export { byeFrame } from "./binary_frames.ts";
export type { Service } from "./service.ts";

/** Never throws. */
type Dialect = (connection: Connection, channel: Channel<Peer>, service: Service) => Promise<void>;

const DIALECTS: ReadonlyMap<number, Dialect> = new Map([[PREFACE[0]!, serveBinary]]);

/**
 * Serves a connection until it ends. Never throws, and resolves when the dialect is chosen: an idle connection should not
 * keep more waiting than it must.
 */
export async function serve(connection: Connection, channel: Channel<Peer>, service: Service): Promise<void> {
  try {
    if (!await connection.read()) return connection.finish();
    const dialect = DIALECTS.get(connection.scanner.bytes[0]!);
    // Whatever it speaks, no answer of ours would be in its language.
    if (dialect === undefined) return connection.close();
    void dialect(connection, channel, service);
  } catch (error) {
    connection.close();
    if (!isDisconnect(error)) service.failed(error);
  }
}
