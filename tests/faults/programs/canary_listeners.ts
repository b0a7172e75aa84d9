/**
 * The listeners of the canaries, in one process. Tells "ready"; obeys "report".
 *
 * @module
 */
import { connect } from "../../../client/mod.ts";
import { Tally } from "../../e2e/programs/numbered.ts";
import { given, obey, tell } from "../../e2e/programs/program.ts";
import { CLOCK_AT, type Gap, type Listener } from "../canary_account.ts";

const options = given<{ channels: string[] }>();

class Canary {
  readonly #number: number;
  readonly #tally = new Tally();
  readonly #gaps: Gap[] = [];
  readonly #late: number[] = [];
  readonly #notices: string[] = [];
  #doubled = 0;
  #last_ms = 0;
  #longest_pause_ms = 0;
  #longest_delay_ms = 0;
  #closed: string | undefined;

  constructor(number: number) {
    this.#number = number;
  }

  async connect(name: string): Promise<void> {
    const channel = await connect(name, {
      name: `canary-listener-${this.#number}`,
      listen: true,
      onnotice: (notice) => {
        this.#notices.push("error" in notice ? `${notice.type} ${notice.error.reason}` : notice.type);
      },
    });
    void channel.closed.then((error) => this.#closed = error?.message);
    this.#tally.seq = channel.seq;
    channel.listen(({ seq, data }) => this.#event(seq, data), {
      ongap: ({ from, to, reason }) => {
        this.#gaps.push({ behind: this.#last(), from, to, reason, epoch: channel.epoch });
        this.#tally.gap(from, to);
      },
    });
  }

  plain(): Listener {
    const { received, others, jumps } = this.#tally;
    return {
      received,
      others,
      jumps,
      last: this.#last(),
      skipped: this.#tally.publishers.get(this.#number)?.skipped ?? [],
      doubled: this.#doubled,
      late: this.#late,
      gaps: this.#gaps,
      notices: this.#notices,
      longest_pause_ms: Math.round(this.#longest_pause_ms),
      longest_delay_ms: Math.round(this.#longest_delay_ms),
      ...this.#closed === undefined ? {} : { closed: this.#closed },
    };
  }

  #event(seq: number, data: unknown): void {
    const now_ms = performance.timeOrigin + performance.now(), before = this.#tally.publishers.get(this.#number);
    const last = before?.last ?? 0, payload = data as Uint8Array<ArrayBuffer>;
    this.#tally.event(seq, data);
    const received = this.#tally.publishers.get(this.#number);
    if (received === undefined || received.count === 0) return;
    const view = new DataView(payload.buffer, payload.byteOffset), number = view.getUint32(8);
    if (number <= last) {
      if (received.skipped.some(([first, end]) => first <= number && number <= end)) this.#late.push(number);
      else this.#doubled++;
      received.last = last;
    }
    if (this.#last_ms !== 0) this.#longest_pause_ms = Math.max(this.#longest_pause_ms, now_ms - this.#last_ms);
    this.#last_ms = now_ms;
    this.#longest_delay_ms = Math.max(this.#longest_delay_ms, now_ms - view.getFloat64(CLOCK_AT));
  }

  #last(): number {
    return this.#tally.publishers.get(this.#number)?.last ?? 0;
  }
}

const canaries = await Promise.all(options.channels.map(async (name, index) => {
  const canary = new Canary(index);
  await canary.connect(name);
  return canary;
}));
tell("ready");

await obey({ report: () => tell("report", { canaries: canaries.map((canary) => canary.plain()) }) });
