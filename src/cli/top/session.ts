import { nowNs } from '../../host/clock.ts';
import type { Frame, FrameSize } from '../live/frames.tsx';
import type { Paint } from '../terminal.ts';
import { Bell } from './bell.ts';
import type { TopData, Whole } from './data.ts';
import type { TopFeed } from './feed.ts';
import { Histories } from './histories.ts';
import type { KeyName } from './keys.ts';
import { press, settled } from './press.ts';
import { OTHER_LINES, type ScreenOptions, screenLines } from './screen.ts';
import { currentLevel, domainOf, keyOfView, type TopState, type View } from './state.ts';
import { tableOf } from './view-table.ts';

/** From the first look to the second, at most, in milliseconds. */
const FIRST_INTERVAL_MS = 500;

/** What a session works with. */
export interface TopSessionOptions {
  readonly state: TopState;
  readonly data: TopData;
  readonly feed: TopFeed;
  readonly paint: Paint;
  /** Ends the session. */
  readonly signal: AbortSignal;
  /** Looks after which it ends; absent: none. */
  readonly iterations?: number;
}

/** A live session: looks again and again, takes keys, and has a frame to draw after each. It knows no terminal. */
export class TopSession {
  readonly #options: TopSessionOptions;
  readonly #histories = new Histories();
  readonly #redraw = new Bell();
  readonly #hurry = new Bell();
  #state: TopState;
  /** How many of the looks out of turn have been taken. */
  #looksTaken = 0;

  constructor(options: TopSessionOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  /** What is shown now, and how. */
  get state(): TopState {
    return this.#state;
  }

  /** What a frame is drawn from. */
  get screen(): ScreenOptions {
    const { data, paint } = this.#options;
    return { data, paint, histories: this.#histories, nowNs: nowNs() };
  }

  /** Takes a key. */
  press(key: KeyName, size: FrameSize): void {
    const { data } = this.#options;
    const before = this.#state;
    const pageRows = Math.max(1, size.rows - OTHER_LINES);
    this.#state = press(before, key, { data, nowNs: nowNs(), pageRows });
    this.#follow(before, this.#state);
    this.#redraw.ring();
  }

  /**
   * A frame at first, after each look and after each key, until somebody quits, the signal fires or the looks are over.
   * @throws what looking raises
   */
  async *frames(): AsyncGenerator<Frame, void, void> {
    const { signal } = this.#options;
    let isOver = false;
    const looking = this.#lookOn().finally(() => {
      isOver = true;
      this.#redraw.ring();
    });
    // It is waited for below; until then nobody else would hear of it.
    looking.catch(() => {});
    try {
      while (!isOver && !signal.aborted && !this.#state.hasQuit) {
        // What is drawn later, after the window's size has changed, is drawn from what is known then.
        yield (size) => screenLines(this.#state, this.screen, size);
        await this.#redraw.wait(signal);
      }
    } finally {
      this.#state = { ...this.#state, hasQuit: true };
      this.#hurry.ring();
    }
    if (isOver) await looking;
  }

  /** Looks once, and takes up what came of it. */
  async look(): Promise<void> {
    const { feed, data } = this.#options;
    const { columns, intervalMs } = this.#state;
    const whole = wholeOf(currentLevel(this.#state).view);
    data.lookInto(whole);
    await feed.look({ columns, intervalMs, whole });
    const before = this.#state;
    this.#state = settled(before, data);
    this.#follow(before, this.#state);
    const { view } = currentLevel(this.#state);
    const key = keyOfView(view);
    this.#histories.note(key, tableOf(this.#state, data, nowNs()));
    this.#histories.retain(this.#state.levels.map((level) => keyOfView(level.view)));
  }

  async #lookOn(): Promise<void> {
    const { signal, iterations = Number.POSITIVE_INFINITY } = this.#options;
    for (let count = 0; !signal.aborted && !this.#state.hasQuit; ) {
      const startMs = performance.now();
      if (!this.#state.isPaused || this.#looksTaken < this.#state.looks || count === 0) {
        this.#looksTaken = this.#state.looks;
        await this.look();
        this.#redraw.ring();
        if (++count >= iterations) return;
      }
      // Nothing has a rate before the second look.
      const intervalMs = count === 1 ? Math.min(this.#state.intervalMs, FIRST_INTERVAL_MS) : this.#state.intervalMs;
      const restMs = startMs + intervalMs - performance.now();
      await this.#hurry.wait(signal, Math.max(0, restMs));
    }
  }

  /** Does what a change of the state asks for. */
  #follow(before: TopState, after: TopState): void {
    const { data } = this.#options;
    if (after.rebases !== before.rebases) {
      data.tracks('all').rebase();
      this.#histories.clear();
    }
    const [from, to] = [currentLevel(before).view, currentLevel(after).view].map(wholeOf);
    data.lookInto(to);
    const needsLook =
      after.looks !== before.looks ||
      after.columns !== before.columns ||
      after.intervalMs !== before.intervalMs ||
      (before.isPaused && !after.isPaused) ||
      after.hasQuit ||
      (to !== undefined && (from === undefined || from.domain !== to.domain));
    if (needsLook) this.#hurry.ring();
  }
}

/** Who a screen looks at in full; undefined: nobody. */
function wholeOf(view: View): Whole | undefined {
  if (view.kind === 'domains') return undefined;
  const domain = domainOf(view);
  return domain === undefined ? {} : { domain };
}
