import type { DomainFeed } from '../face/face.ts';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { BalloonPolling } from '../model/provider.ts';
import { PollingKeeper, type PollingOutcome } from '../registry/polling-keeper.ts';
import { type DomainPattern, patternOf } from './access.ts';
import type { BalloonJournal } from './balloon-journal.ts';
import type { BalloonRule } from './config/config.ts';
import type { Log } from './log.ts';

/** From one look at the balloons to the next, in milliseconds. */
const LOOK_MS = 10_000;

/** What the daemon's polling stands on. */
export interface DaemonPollingOptions {
  readonly domains: DomainFeed;
  readonly pollingOf: (id: string) => Promise<BalloonPolling | undefined>;
  readonly journal: BalloonJournal;
  readonly log: Log;
}

/**
 * Has the guests asked that the configuration names, as long as it does and the daemon runs. What a daemon before this one has
 * left behind is gone on with, or put back.
 */
export class DaemonPolling {
  readonly #options: DaemonPollingOptions;
  readonly #keeper: PollingKeeper;
  /** What was last said of each domain. */
  readonly #told = new Map<string, string>();
  #rules: readonly CompiledRule[] = [];
  /** Sources that are being closed: their domains are still there for a moment. */
  #left: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isLookDue = false;
  #isStopped = false;

  constructor(options: DaemonPollingOptions) {
    this.#options = options;
    this.#keeper = new PollingKeeper({ pollingOf: options.pollingOf, journal: options.journal });
  }

  /** Goes by these rules from now on. What no rule names any more is put back. */
  configure(rules: readonly BalloonRule[]): void {
    this.#rules = rules.map(({ domains, intervalSeconds }) => ({ patterns: domains.map(patternOf), intervalSeconds }));
    this.#unsubscribe ??= this.#options.domains.subscribe({
      onCome: () => this.#look(),
      onGo: () => this.#look(),
    });
    this.#look();
  }

  /** Puts back what was set at the domains of sources that are about to be closed, and has no more to do with them. Never rejects. */
  leave(sources: ReadonlySet<string>): Promise<void> {
    this.#left = sources;
    const leaving = this.#looking.then(async () => {
      this.#note(await this.#keeper.release(this.#keeper.domains.filter(({ source }) => sources.has(source))));
    });
    this.#looking = leaving;
    return leaving;
  }

  /** Puts everything back. Never rejects; harmless when repeated. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#unsubscribe?.();
    await this.#looking;
    this.#note(await this.#keeper.release());
  }

  /** Soon, and not twice at once. */
  #look(): void {
    if (this.#isLookDue || this.#isStopped) return;
    this.#isLookDue = true;
    clearTimeout(this.#timer);
    this.#looking = this.#looking.then(async () => {
      // Whoever tells of many domains tells of them one by one.
      await Promise.resolve();
      this.#isLookDue = false;
      if (!this.#isStopped) await this.#lookOnce();
    });
  }

  async #lookOnce(): Promise<void> {
    const { domains, journal } = this.#options;
    const present = domains.current.filter(({ source }) => !this.#left.has(source));
    const ids = new Set(present.map(({ id }) => id));
    this.#keeper.forget(this.#keeper.domains.flatMap(({ id }) => (ids.has(id) ? [] : [id])));
    for (const id of this.#told.keys()) if (!ids.has(id)) this.#told.delete(id);
    const kept = new Set(this.#keeper.domains.map(({ id }) => id));
    const wanted = present.flatMap((domain) => {
      const intervalSeconds = this.#intervalFor(domain);
      return intervalSeconds === undefined ? [] : [{ domain, intervalSeconds }];
    });
    const unwanted = present.filter(
      (domain) =>
        this.#intervalFor(domain) === undefined && (kept.has(domain.id) || journal.get(domain.id) !== undefined),
    );
    const [outcomes, failures] = await Promise.all([this.#keeper.keep(wanted), this.#keeper.release(unwanted)]);
    this.#note([...outcomes, ...failures]);
    const isBusy = wanted.length > 0 || failures.length > 0;
    if (isBusy && !this.#isStopped) this.#timer = setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  #intervalFor(domain: Domain): number | undefined {
    return this.#rules.find(({ patterns }) => patterns.some((pattern) => pattern.covers(domain)))?.intervalSeconds;
  }

  /** What has changed is logged. */
  #note(outcomes: readonly PollingOutcome[]): void {
    for (const { domain, result } of outcomes) {
      const text = VirtstatError.is(result) ? result.message : `${result.owner} ${result.intervalSeconds}`;
      if (this.#told.get(domain.id) === text) continue;
      this.#told.set(domain.id, text);
      const facts = { domain: domain.name };
      const { log } = this.#options;
      if (VirtstatError.is(result)) {
        log.warn(
          { ...facts, code: result.code, reason: result.message },
          'the polling of a balloon cannot be switched',
        );
      } else if (result.owner === 'no-device') log.info(facts, 'there is no balloon to poll');
      else if (result.intervalSeconds === 0) log.info(facts, 'somebody else switched the polling of a balloon off');
      else log.info({ ...facts, seconds: result.intervalSeconds, owner: result.owner }, 'a balloon is polled');
    }
  }
}

interface CompiledRule {
  readonly patterns: readonly DomainPattern[];
  readonly intervalSeconds: number;
}
