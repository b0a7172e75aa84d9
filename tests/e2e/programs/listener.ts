/**
 * Listens, and keeps account of numbered events. Tells "ready"; obeys "report".
 *
 * @module
 */
import { connect, type Notice, type Overflow } from "../../../client/mod.ts";
import { Tally } from "./numbered.ts";
import { given, obey, tell } from "./program.ts";

/** What it is given. */
export interface ListenerOptions {
  channel: string;
  name?: string;
  overflow?: Overflow;
}

const { channel: name, ...options } = given<ListenerOptions>();
const tally = new Tally(), notices: Notice[] = [];
const channel = await connect(name, {
  ...options,
  listen: true,
  onnotice: (notice) => {
    notices.push(notice);
    tell("notice", describe(notice));
  },
});
tally.seq = channel.seq;
channel.listen((message) => tally.event(message.seq, message.data), {
  ongap: (notice) => {
    tally.gap(notice.from, notice.to);
    tell("gap", { ...notice, type: "gap" });
  },
});
tell("ready", { client: channel.client, epoch: channel.epoch });

await obey({
  report: () => tell("report", { ...tally.plain(), epoch: channel.epoch, notices: notices.map(describe) }),
});

function describe(notice: Notice): Record<string, unknown> {
  if (!("error" in notice)) return { ...notice, kind: notice.type };
  return { kind: notice.type, reason: notice.error.reason, message: notice.error.message };
}
