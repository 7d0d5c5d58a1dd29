import { setTimeout as delay } from 'node:timers/promises';
import type { Domain } from '../model/domain.ts';
import { type ErrorCode, VirtstatError } from '../model/errors.ts';
import { PollingKeeper, type PollingOutcome } from '../registry/polling-keeper.ts';
import type { Registry } from '../registry/registry.ts';
import type { Terminal } from './terminal.ts';

/** How long a first answer of the guests is waited for, in milliseconds. QEMU asks at once when polling is switched on. */
const FIRST_ANSWER_LIMIT_MS = 5000;

/** From one look for it to the next, in milliseconds. */
const LOOK_MS = 100;

/** The shortest time from one look at the devices to the next while values are watched, in milliseconds. */
const KEEP_MS = 1000;

/** What comes of switching alone. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['USAGE', 'QMP_COMMAND_FAILED']);

/** The polling that a command has switched on: it lasts as long as the command. */
export class CommandPolling {
  readonly #registry: Registry;
  readonly #terminal: Terminal;
  readonly #intervalSeconds: number;
  readonly #keeper: PollingKeeper;
  readonly #told = new Set<string>();
  #keeping: Promise<unknown> | undefined;
  #keptMs = Number.NEGATIVE_INFINITY;

  constructor(registry: Registry, terminal: Terminal, intervalSeconds: number) {
    this.#registry = registry;
    this.#terminal = terminal;
    this.#intervalSeconds = intervalSeconds;
    this.#keeper = new PollingKeeper({ pollingOf: (id) => registry.balloonPollingOf(id) });
  }

  /**
   * Switches it on for domains that are there, and waits until those that run have answered, or the limit has passed.
   * @throws USAGE where it cannot be switched for any of them; CANCELLED with the signal
   */
  async begin(domains: readonly Domain[], signal: AbortSignal): Promise<void> {
    const beginSeconds = BigInt(Math.floor(Date.now() / 1000));
    const deadlineMs = performance.now() + FIRST_ANSWER_LIMIT_MS;
    const stopped = await this.#stopped(domains, signal);
    const firstSeconds = new Map<string, bigint>();
    for (let isFirst = true; ; isFirst = false) {
      const outcomes = await this.#look(domains);
      if (isFirst) this.#requireOne(outcomes);
      this.#tell(outcomes);
      const waiting = outcomes.some(({ domain: { id }, result }) => {
        // Somebody else's next question may be a day away.
        if (VirtstatError.is(result) || result.owner !== 'ours' || stopped.has(id)) return false;
        const last = result.lastUpdateSeconds;
        if (isFirst) firstSeconds.set(id, last);
        return last === 0n || (last < beginSeconds && last === firstSeconds.get(id));
      });
      if (!waiting || performance.now() > deadlineMs) return;
      await delay(LOOK_MS, undefined, { signal });
    }
  }

  /** Looks after it, beside what else is done: also for domains that came meanwhile. */
  keep(domains: readonly Domain[]): void {
    if (this.#keeping !== undefined || performance.now() - this.#keptMs < KEEP_MS) return;
    this.#keptMs = performance.now();
    this.#keeping = this.#look(domains)
      .then((outcomes) => this.#tell(outcomes))
      .finally(() => {
        this.#keeping = undefined;
      });
  }

  /** Puts everything back as it was, and says what could not be. */
  async end(): Promise<void> {
    await this.#keeping;
    for (const { domain, result } of await this.#keeper.release()) {
      if (!VirtstatError.is(result)) continue;
      const hint = 'set guest-stats-polling-interval of its balloon to 0 by hand';
      this.#terminal.warn(`the polling of ${domain.name} may still be on: ${result.message}; ${hint}`);
    }
  }

  /** Those that do not run will not answer. */
  async #stopped(domains: readonly Domain[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const listed = await this.#registry.list({ domains: domains.map(({ id }) => id), signal });
    return new Set(
      listed.flatMap(({ domain: { id, state } }) => (state === undefined || state === 'running' ? [] : [id])),
    );
  }

  #look(domains: readonly Domain[]): Promise<readonly PollingOutcome[]> {
    return this.#keeper.keep(domains.map((domain) => ({ domain, intervalSeconds: this.#intervalSeconds })));
  }

  #tell(outcomes: readonly PollingOutcome[]): void {
    for (const outcome of outcomes) this.#tellOne(outcome);
  }

  /** Each thing is said once; of a domain that cannot be reached whoever reads it hears anyway. */
  #tellOne({ domain, result }: PollingOutcome): void {
    if (VirtstatError.is(result) ? !REFUSALS.has(result.code) : result.owner !== 'theirs') return;
    const text = VirtstatError.is(result)
      ? result.message
      : `${domain.name} is asked ${result.intervalSeconds === 0 ? 'no more' : `every ${result.intervalSeconds} s`} ` +
        'on behalf of somebody else, which stays as it is';
    if (this.#told.has(`${domain.id} ${text}`)) return;
    this.#told.add(`${domain.id} ${text}`);
    this.#terminal.warn(text);
  }

  #requireOne(outcomes: readonly PollingOutcome[]): void {
    const errors = outcomes.flatMap(({ result }) => (VirtstatError.is(result) ? [result] : []));
    if (errors.length > 0 && errors.length === outcomes.length && errors.every(({ code }) => code === 'USAGE')) {
      // The first is what the command ends with.
      this.#tell(outcomes.slice(1));
      throw errors[0];
    }
  }
}
