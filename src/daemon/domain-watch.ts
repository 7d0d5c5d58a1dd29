import type { DomainFeed, DomainListener, FaceLog } from '../face/face.ts';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { DomainAnswer } from '../registry/answer.ts';

/** Looks for domains: as {@link Registry.present} does. */
export type FindDomains = () => Promise<readonly DomainAnswer<never>[]>;

/**
 * Looks for domains again and again, and tells who came and who went. A source that cannot be searched for a while keeps
 * its domains: their readers stay, and get last values.
 */
export class DomainWatch implements DomainFeed {
  readonly #find: FindDomains;
  readonly #log: FaceLog;
  readonly #listeners = new Set<DomainListener>();
  readonly #failures = new Map<string, string>();
  #domains: ReadonlyMap<string, Domain> = new Map();
  #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isStopped = false;

  constructor(find: FindDomains, intervalMs: number, log: FaceLog) {
    this.#find = find;
    this.#intervalMs = intervalMs;
    this.#log = log;
  }

  get current(): readonly Domain[] {
    return [...this.#domains.values()];
  }

  subscribe(listener: DomainListener): () => void {
    this.#listeners.add(listener);
    for (const domain of this.#domains.values()) this.#tell(() => listener.onCome(domain));
    return () => void this.#listeners.delete(listener);
  }

  /** Looks now and, from here on, in every interval; whoever asks while a look is under way shares it. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
      this.#plan();
    });
    return this.#looking;
  }

  /** From the end of one look to the next, in milliseconds. */
  set intervalMs(intervalMs: number) {
    this.#intervalMs = intervalMs;
    this.#plan();
  }

  /** Looks no more, and waits for the look under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.look(), this.#intervalMs);
  }

  async #lookOnce(): Promise<void> {
    try {
      const answers = await this.#find();
      if (!this.#isStopped) this.#apply(answers);
    } catch (error) {
      const { code, message } = VirtstatError.from(error, 'INTERNAL', 'the search for domains failed');
      if (!this.#isStopped) this.#log.warn({ code, reason: message }, 'domains cannot be looked for');
    }
  }

  #apply(answers: readonly DomainAnswer<never>[]): void {
    const found = new Map(answers.flatMap(({ domain, errors }) => (errors.length > 0 ? [] : [[domain.id, domain]])));
    this.#noteFailures(answers.filter(({ errors }) => errors.length > 0));
    for (const domain of this.#domains.values()) {
      if (!found.has(domain.id) && this.#failures.has(domain.source)) found.set(domain.id, domain);
    }
    const before = this.#domains;
    this.#domains = found;
    const isSame = (a: Domain | undefined, b: Domain): boolean => a?.name === b.name && a.uuid === b.uuid;
    const gone = [...before.values()].filter((domain) => !isSame(found.get(domain.id), domain));
    const come = [...found.values()].filter((domain) => !isSame(before.get(domain.id), domain));
    for (const domain of gone) {
      this.#log.info({ domain: domain.name, source: domain.source }, 'domain went');
      for (const listener of this.#listeners) this.#tell(() => listener.onGo(domain));
    }
    for (const domain of come) {
      const { name, uuid, pid, source } = domain;
      this.#log.info({ domain: name, uuid, vmm: pid, source }, 'domain came');
      for (const listener of this.#listeners) this.#tell(() => listener.onCome(domain));
    }
  }

  /** A source that cannot be searched is logged when that begins and when it ends. */
  #noteFailures(answers: readonly DomainAnswer<never>[]): void {
    const now = new Map(answers.map(({ domain, errors: [error] }) => [domain.source, error?.message ?? '']));
    for (const [source, reason] of now) {
      if (this.#failures.get(source) !== reason) this.#log.warn({ source, reason }, 'source cannot be searched');
    }
    for (const source of this.#failures.keys()) {
      if (!now.has(source)) this.#log.info({ source }, 'source can be searched again');
    }
    this.#failures.clear();
    for (const [source, reason] of now) this.#failures.set(source, reason);
  }

  /** One listener's failure is not the others'. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      const { code, message } = VirtstatError.from(error, 'INTERNAL', 'telling of a domain failed');
      this.#log.warn({ code, reason: message }, 'a face failed to follow the domains');
    }
  }
}
