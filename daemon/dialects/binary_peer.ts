/**
 * The router's way to a binary client: its outbox as it is, and BYE for the end.
 *
 * @module
 */
import type { IpcError } from "../../protocol/errors.ts";
import { ConnectionPeer } from "./connection_peer.ts";
import { byeFrame } from "./frames.ts";

/** See the module's head. */
export class BinaryPeer extends ConnectionPeer {
  pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): void {
    this.outbox.pushRun(bytes, start, end, first, count);
  }

  pushFrames(bytes: Uint8Array<ArrayBuffer>): void {
    const { monitors } = this.router;
    if (monitors.active) monitors.frames(this.client, "out", bytes);
    this.outbox.pushFrames(bytes);
  }

  pushShared(frame: Uint8Array<ArrayBuffer>): void {
    const { monitors } = this.router;
    if (monitors.active) monitors.frames(this.client, "out", frame);
    this.outbox.pushShared(frame);
  }

  close(error: IpcError, at_once: boolean): void {
    this.connection.dismiss(byeFrame(error), at_once);
  }
}
