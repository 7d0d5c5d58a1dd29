import type { Feed } from '../export/feed.ts';
import { OtlpFeed } from '../export/otlp-feed.ts';
import { pushFamilies } from '../export/own-families.ts';
import { Push, type PushSettings, type PushState } from '../export/push.ts';
import { RemoteWriteFeed } from '../export/remote-write-feed.ts';
import { nodeFacts } from '../host/node-info.ts';
import { CURATED, FULL, type Profile } from '../metrics/profile.ts';
import { Selection } from '../metrics/selection.ts';
import { StatView } from '../metrics/view.ts';
import type { Registry } from '../registry/registry.ts';
import type { PushConfig, PushProfileName } from './config/push-config.ts';
import type { DomainStates } from './domain-states.ts';
import type { Log } from './log.ts';
import { PushReader } from './push-reader.ts';

/** What the daemon's pushes stand on. */
export interface PushesOptions {
  readonly registry: Registry;
  readonly states: DomainStates;
  readonly stateDir: string;
  /** Of virtstat. */
  readonly version: string;
  readonly log: Log;
}

const PROFILES: Readonly<Record<PushProfileName, Profile>> = { curated: CURATED, full: FULL };

interface Running {
  readonly push: Push;
  readonly config: PushConfig;
  readonly feed: Feed;
}

/** The pushes that a configuration names, from one configuration to the next. */
export class DaemonPushes {
  readonly #options: PushesOptions;
  readonly #host: string;
  readonly #running = new Map<string, Running>();

  constructor(options: PushesOptions) {
    this.#options = options;
    this.#host = nodeFacts().hostname;
  }

  /** How each of them does. */
  get states(): readonly PushState[] {
    return [...this.#running.values()].map(({ push }) => push.state);
  }

  /**
   * Begins those that are new, ends those that are there no more and has the others go on by what the configuration says now.
   * What waits for one that is there no more stays in its files.
   * @throws what {@link Push.open} throws for one that cannot begin; the others go on
   */
  async configure(configs: readonly PushConfig[]): Promise<void> {
    const wanted = new Map(configs.map((config) => [keyOf(config), config]));
    const gone = [...this.#running].filter(([key, { config }]) => {
      const next = wanted.get(key);
      return next === undefined || next.queueDirectory !== config.queueDirectory;
    });
    await Promise.all(gone.map(([, { push }]) => push.stop()));
    for (const [key] of gone) this.#running.delete(key);
    const outcomes = await Promise.allSettled([...wanted].map(([key, config]) => this.#apply(key, config)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Ends them all; what waits stays. Never rejects. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ push }) => push.stop()));
    this.#running.clear();
  }

  async #apply(key: string, config: PushConfig): Promise<void> {
    const { stateDir, log } = this.#options;
    const running = this.#running.get(key);
    if (running !== undefined && isSame(running.config, config)) return;
    // A feed knows what it has sent: it stays as long as it would be made alike.
    const feed =
      running !== undefined && isSame(fedBy(running.config), fedBy(config)) ? running.feed : this.#feedOf(config);
    const settings = this.#settingsOf(config, feed);
    if (running !== undefined) await running.push.reconfigure(settings);
    const { name, queueDirectory = `${stateDir}/push/${key}` } = config;
    const options = { ...settings, name, queueDirectory, host: this.#host, log };
    const push = running?.push ?? (await Push.open(options));
    this.#running.set(key, { push, config, feed });
  }

  #settingsOf({ protocol, url, everyMs, timeoutMs, queueBytes, ...config }: PushConfig, feed: Feed): PushSettings {
    const userAgent = `virtstatd/${this.#options.version}`;
    return { everyMs, queueBytes, feed, endpoint: { ...config, protocol, url: new URL(url), timeoutMs, userAgent } };
  }

  #feedOf(config: PushConfig): Feed {
    const { registry, states, version } = this.#options;
    const { protocol, domains, deny, allow, maxSeries, labels, histograms } = config;
    const reader = new PushReader(registry, states, domains);
    const filter = { deny, ...(allow && { allow }) };
    const profile = PROFILES[config.profile];
    if (protocol === 'otlp') {
      const resource = { ...this.#resource(), ...labels };
      const selection = new Selection(profile, filter);
      return new OtlpFeed({ reader, selection, version, histograms, resource: Object.entries(resource) });
    }
    return new RemoteWriteFeed({
      reader,
      view: new StatView({ profile, maxSeries, ...filter }),
      labels: Object.entries({ job: 'virtstat', instance: this.#host, ...labels }),
      own: () => pushFamilies(this.states),
    });
  }

  #resource(): Readonly<Record<string, string>> {
    return {
      'service.name': 'virtstatd',
      'service.version': this.#options.version,
      'service.instance.id': this.#host,
      'host.name': this.#host,
    };
  }
}

/** The name of its directory, too. */
function keyOf({ protocol, name }: PushConfig): string {
  return `${protocol}-${name}`;
}

/** What a feed is made of. */
function fedBy({ profile, domains, allow, deny, maxSeries, labels, histograms }: PushConfig): unknown {
  return { profile, domains, allow, deny, maxSeries, labels, histograms };
}

/** Configurations are plain data, made in one order of keys. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
