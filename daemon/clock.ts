/**
 * The broker's clock, which only goes while the broker does.
 *
 * A broker that was stopped (SIGSTOP, a machine that slept, a container without processor time) wakes up and finds that
 * everybody is late: a listener took nothing for half a minute, a request had no answer, a connection did not say HELLO. All
 * of it may stand in the sockets, and nobody had read it. Timers run before sockets are read, so going by the time of the day
 * it would close them first. So this clock goes on by a second at most until the next {@linkcode Clock.tick}, and what the
 * tick comes later than that never was.
 *
 * @module
 */

/** How far it goes beyond a tick. Ticks come twice a second. */
const AHEAD_MS_MAX = 1_000;

/** See the module's head. */
export class Clock {
  readonly #real: () => number;
  #ticked_ms: number;
  /** Time that did not count. */
  #stood_ms = 0;

  /** @param real Milliseconds of a clock that never goes back. */
  constructor(real: () => number) {
    this.#real = real;
    this.#ticked_ms = real();
  }

  /** Milliseconds in which the broker could have done something. */
  readonly now = (): number => Math.min(this.#real(), this.#ticked_ms + AHEAD_MS_MAX) - this.#stood_ms;

  /** Says that the broker goes on. @returns {@linkcode now}. */
  tick(): number {
    const real_ms = this.#real();
    this.#stood_ms += Math.max(0, real_ms - this.#ticked_ms - AHEAD_MS_MAX);
    this.#ticked_ms = real_ms;
    return this.now();
  }
}
