/**
 * How a connection becomes a client, and how it ends if something goes wrong, whatever it speaks.
 *
 * @module
 */
import { encodeWelcome, type Hello } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import { encodeFrame, ENCODINGS, FRAME_TYPES } from "../../protocol/frame.ts";
import type { Admission, Identity } from "../identity.ts";
import type { Channel } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import type { Connection } from "../transport/connection.ts";
import { type ConnectionPeer, isDisconnect } from "./connection_peer.ts";
import type { Service } from "./service.ts";

/** What a connection came in by: a channel's own socket, or a listener that serves one channel or many. */
export interface Door {
  /** The channel that it leads to; `undefined` if HELLO has to name one. */
  readonly channel: Channel<Peer> | undefined;
  /** Whether it stands open to the network, where browsers and scanners knock. */
  readonly public: boolean;
  /** Whether whoever comes has to show a token. */
  readonly guarded: boolean;
  /**
   * @returns `undefined` for somebody without a token, and where none is looked at.
   * @throws {IpcError} UNAUTHORIZED for a token that is not accepted, or none where one is needed.
   */
  admit(token: string | undefined): Admission | undefined | Promise<Admission | undefined>;
}

/**
 * Makes a connection a client without a word. It has no roles yet.
 *
 * @returns False if the connection ended meanwhile.
 * @throws {IpcError} UNAUTHORIZED; FORBIDDEN; CHANNEL_NAME if it names no channel where it has to, or another one than the door's;
 *   and whatever the router says.
 */
export async function join(
  peer: ConnectionPeer,
  dialect: string,
  door: Door,
  hello: Hello,
  service: Service,
): Promise<boolean> {
  const { connection } = peer;
  const admission = await door.admit(hello.token);
  const identity = { token: admission?.token, name: hello.name ?? "", credentials: connection.credentials };
  const channel = await channelFor(door, hello.channel, identity, service);
  if (!connection.open) return false;
  if (admission?.revoked()) throw new IpcError("UNAUTHORIZED", "the token is not accepted here any more");
  connection.outbox.limit_bytes = channel.rules.queue_bytes;
  peer.client = service.router.join(channel, peer, dialect, hello, identity);
  peer.client.admission = admission;
  connection.outbox.charge(peer.client.account);
  connection.owner = peer;
  connection.scanner.message_bytes_max = channel.rules.max_message_bytes;
  service.welcomed(connection, peer.client);
  return true;
}

function channelFor(
  { channel }: Door,
  name: string | undefined,
  identity: Identity,
  service: Service,
): Channel<Peer> | Promise<Channel<Peer>> {
  if (channel === undefined) {
    if (name !== undefined) {
      service.router.checkOpening(identity, name);
      return service.open(name, identity);
    }
    throw new IpcError("CHANNEL_NAME", "this listener serves many channels, and the client has named none");
  }
  if (name !== undefined && name !== channel.name) {
    throw new IpcError("CHANNEL_NAME", `this is the socket of channel "${channel.name}", not of "${name}"`);
  }
  return channel;
}

/**
 * Answers HELLO, then gives the client its roles.
 *
 * @returns False if the connection ended meanwhile.
 * @throws {IpcError} See {@linkcode join}.
 */
export async function welcome(
  peer: ConnectionPeer,
  dialect: string,
  door: Door,
  hello: Hello,
  service: Service,
): Promise<boolean> {
  if (!await join(peer, dialect, door, hello, service)) return false;
  const { id, channel } = peer.client;
  peer.pushFrames(encodeFrame({
    type: FRAME_TYPES.WELCOME,
    flags: ENCODINGS.STRUCTURED,
    target: id,
    payload: encodeWelcome({
      client: id,
      channel: channel.name,
      epoch: channel.epoch,
      seq: channel.seq,
      max_message: channel.rules.max_message_bytes,
      server: { name: "ipcd", version: service.version },
      features: ["resume", "presence", "retain", "all"],
    }),
  }));
  // Another epoch's number says nothing here: such a client gets what this epoch still has, from its start.
  const resume = hello.resume && (hello.resume.epoch === channel.epoch ? hello.resume.seq : 0);
  service.router.roles(peer.client, hello, true, resume);
  return true;
}

/**
 * Ends a connection after an error.
 *
 * @param peer If it is a client already.
 * @param farewell Writes the connection's last words in its own language.
 */
export function endAfter(
  error: unknown,
  connection: Connection,
  peer: ConnectionPeer | undefined,
  service: Service,
  farewell: (error: IpcError) => Uint8Array<ArrayBuffer>,
): void {
  const reason = error instanceof IpcError ? error : undefined;
  if (peer?.client !== undefined) service.router.leave(peer.client, reason);
  // What a rule denies is counted where it is denied.
  else if (reason !== undefined && reason.reason !== "FORBIDDEN") service.refused(connection, reason);
  if (reason !== undefined) return connection.dismiss(farewell(reason));
  connection.close();
  if (!isDisconnect(error)) service.failed(error);
}
