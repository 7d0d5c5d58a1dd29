import { pushFamilies } from '../export/own-families.ts';
import type { PushState } from '../export/push.ts';
import type { Face, FaceContext, FaceLog } from '../face/face.ts';
import { withDeadline } from '../host/deadline.ts';
import { RuntimeDirectory } from '../host/runtime-directory.ts';
import { VirtstatError } from '../model/errors.ts';
import { Registry } from '../registry/registry.ts';
import { openSources } from '../source/open.ts';
import { Access } from './access.ts';
import { BalloonJournal } from './balloon-journal.ts';
import { DaemonPolling } from './balloon-polling.ts';
import type { Config } from './config/config.ts';
import { settingName } from './config/setting-names.ts';
import { DomainStates } from './domain-states.ts';
import { DomainWatch } from './domain-watch.ts';
import { FileWatch } from './file-watch.ts';
import type { Log } from './log.ts';
import { DaemonPushes } from './pushes.ts';
import { RuledReader } from './reader.ts';
import { DaemonRecordings } from './recordings.ts';
import { Refusals } from './refusals.ts';
import { TlsFeed } from './tls-feed.ts';
import { WebFeed } from './web-feed.ts';

/** How long one face may take to listen, or to close, in milliseconds. */
const FACE_TIMEOUT_MS = 5000;

/** What only a restart can change. */
const NEED_RESTART = [
  'runtimeDir',
  'faces',
  'qmpMaxAgeMs',
  'libvirtMaxAgeMs',
  'socket',
  'tlsAddresses',
  'web',
  'metrics',
  'stateDir',
] as const satisfies readonly (keyof Config)[];

/** What a daemon is made of. */
export interface DaemonOptions {
  readonly config: Config;
  /** Makes the faces, none of which listens yet. */
  readonly createFaces: (registry: Registry) => readonly Face[];
  readonly log: Log;
  /** Whose daemon it is: this user may read everything. */
  readonly ownUid: number;
  /** Of virtstat. */
  readonly version: string;
  /** Listening sockets that the service manager passed on, by name. */
  readonly activated?: ReadonlyMap<string, number>;
}

/** Sources, registry, rules and faces, wired together, from start to stop. */
export class Daemon {
  readonly #log: Log;
  readonly #ownUid: number;
  readonly #faces: readonly Face[];
  readonly #directory: RuntimeDirectory;
  readonly #registry: Registry;
  readonly #watch: DomainWatch;
  readonly #refusals: Refusals;
  readonly #tls: TlsFeed | undefined;
  readonly #web: WebFeed | undefined;
  readonly #polling: DaemonPolling;
  readonly #pushes: DaemonPushes;
  readonly #recordings: DaemonRecordings;
  readonly #files: FileWatch;
  /** What became of every domain that is there. */
  readonly states: DomainStates;
  #config: Config;
  #access: Access;
  /** How often the rules have changed. */
  #rulesNumber = 0;
  #stopping: Promise<void> | undefined;

  private constructor(
    options: DaemonOptions,
    directory: RuntimeDirectory,
    registry: Registry,
    tls: TlsFeed | undefined,
    web: WebFeed | undefined,
  ) {
    const { config, log, ownUid, createFaces, version } = options;
    this.#config = config;
    this.#log = log;
    this.#ownUid = ownUid;
    this.#faces = createFaces(registry);
    this.#directory = directory;
    this.#registry = registry;
    this.#access = new Access(config.access, ownUid);
    this.#refusals = new Refusals(log);
    this.#tls = tls;
    this.#web = web;
    this.states = new DomainStates(log);
    this.#watch = new DomainWatch(() => registry.present(), config.discoveryIntervalMs, log);
    this.#watch.subscribe({
      onCome: (domain) => this.states.add(domain),
      onGo: (domain) => this.states.remove(domain),
    });
    this.#pushes = new DaemonPushes({ registry, states: this.states, stateDir: config.stateDir, version, log });
    this.#recordings = new DaemonRecordings(registry, log);
    this.#files = new FileWatch({
      files: () => [...(web?.files ?? []), ...Object.values(this.#config.tlsFiles ?? {})],
      take: () => this.#takeFiles(),
    });
    this.#polling = new DaemonPolling({
      domains: this.#watch,
      pollingOf: (id) => registry.balloonPollingOf(id),
      journal: BalloonJournal.open(config.runtimeDir, (reason) => log.warn({ reason }, 'a journal is not believed')),
      log,
    });
  }

  /**
   * Takes the runtime directory, looks for domains, and resolves when every face listens. What was started is stopped again
   * where one cannot.
   * @throws ADDRESS_IN_USE, ACCESS_DENIED, URI_INVALID, URI_UNSUPPORTED, TLS_FAILED, CONFIG_INVALID, QUEUE_UNUSABLE, what a face
   * raises
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { config, log, activated = new Map<string, number>() } = options;
    const tls = config.tlsFiles && (await TlsFeed.open(config.tlsAddresses, config.tlsFiles));
    const web = config.web.configFile === undefined ? undefined : await WebFeed.open(config.web.configFile);
    const sources = await openSources(config.connect);
    const directory = RuntimeDirectory.open(config.runtimeDir);
    const daemon = new Daemon(options, directory, new Registry(sources, { deadlineMs: config.timeoutMs }), tls, web);
    try {
      await daemon.#watch.look();
      const untaken = new Set(activated.keys());
      await Promise.all(daemon.#faces.map((face) => daemon.#listen(face, activated, untaken)));
      for (const name of untaken) log.warn({ socket: name }, 'no face takes this socket of the service manager');
      daemon.#polling.configure(config.balloon);
      await daemon.#pushes.configure(config.pushes);
      void daemon.#recordings.configure(config.record);
      return daemon;
    } catch (error) {
      await daemon.stop();
      throw error;
    }
  }

  /** How the pushes do. */
  get pushes(): readonly PushState[] {
    return this.#pushes.states;
  }

  /** Names of the faces that listen. */
  get faces(): readonly string[] {
    return this.#faces.map(({ name }) => name);
  }

  /**
   * Goes on with another configuration; connections of readers stay. What only a restart can change stays as it was, and is
   * logged.
   * @throws URI_INVALID, URI_UNSUPPORTED, TLS_FAILED, CONFIG_INVALID: nothing has changed then
   */
  async reload(config: Config): Promise<void> {
    const before = this.#config;
    // Also where the configuration says the same: the files may be new.
    const applyTls = config.tlsFiles && (await this.#tls?.reread(config.tlsFiles));
    const { configFile: webFile } = before.web;
    const applyWeb = webFile === undefined ? undefined : await this.#web?.reread(webFile);
    const isOther = (key: keyof Config): boolean => !isSame(before[key], config[key]);
    if (isOther('connect') || isOther('timeoutMs')) await this.#reconnect(config);
    applyTls?.();
    applyWeb?.();
    this.#log.setLevel(config.logLevel);
    if (isOther('access')) {
      this.#access = new Access(config.access, this.#ownUid);
      this.#rulesNumber++;
      this.#refusals.forget();
    }
    if (isOther('balloon')) this.#polling.configure(config.balloon);
    await this.#configurePushes(config);
    if (isOther('record')) void this.#recordings.configure(config.record);
    if (isOther('discoveryIntervalMs')) this.#watch.intervalMs = config.discoveryIntervalMs;
    const hadTls = this.#tls !== undefined;
    const unchangeable =
      hadTls === (config.tlsFiles !== undefined) ? NEED_RESTART : [...NEED_RESTART, 'tlsFiles' as const];
    for (const key of unchangeable) {
      if (isOther(key)) this.#log.warn({ key: settingName(key) }, 'this key takes a restart; the old value stays');
    }
    this.#config = { ...config, ...Object.fromEntries(unchangeable.map((key) => [key, before[key]])) };
    const changed = (Object.keys(config) as (keyof Config)[])
      .filter((key) => !isSame(before[key], this.#config[key]))
      .map(settingName);
    this.#log.info({ changed }, 'reloaded the configuration');
  }

  /** What TLS and the web configuration are made of may be others without a reload. What is of no use stays without effect. */
  async #takeFiles(): Promise<void> {
    const { tlsFiles, web } = this.#config;
    const results = await Promise.allSettled([
      tlsFiles && this.#tls?.reread(tlsFiles),
      web.configFile === undefined ? undefined : this.#web?.reread(web.configFile),
    ]);
    for (const result of results) {
      if (result.status === 'fulfilled') {
        if (result.value?.())
          this.#log.info({}, 'took files that have changed: certificates, or the web configuration');
      } else {
        const { code, message } = VirtstatError.from(
          result.reason,
          'INTERNAL',
          'files that have changed cannot be read',
        );
        this.#log.warn({ code, reason: message }, 'files that have changed are of no use; the old ones stay in effect');
      }
    }
  }

  /** Ends every connection and gives everything back. Never rejects; harmless when called twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#files[Symbol.dispose]();
    await Promise.all(
      this.#faces.map(async (face) => {
        try {
          await bounded(`closing the face ${face.name}`, () => face.close());
        } catch (error) {
          const { code, message } = VirtstatError.from(error, 'INTERNAL', `closing the face ${face.name} failed`);
          this.#log.warn({ face: face.name, code, reason: message }, 'a face could not be closed');
        }
      }),
    );
    await Promise.all([this.#polling.stop(), this.#recordings.stop(), this.#pushes.stop()]);
    // Closing the registry ends the look that may be under way.
    await this.#registry.close();
    await this.#watch.stop();
    this.#directory[Symbol.dispose]();
  }

  /** Also where the configuration says the same: one that could not begin may do so now. */
  async #configurePushes({ pushes }: Config): Promise<void> {
    try {
      await this.#pushes.configure(pushes);
    } catch (error) {
      const { code, message } = VirtstatError.from(error, 'INTERNAL', 'a push cannot begin');
      this.#log.error({ code, reason: message }, 'a push cannot begin; the next reload tries again');
    }
  }

  /** Sources that stay are not opened anew: a monitor has one place, and its last values are kept. */
  async #reconnect({ connect, timeoutMs }: Config): Promise<void> {
    const known = new Map(this.#registry.sources.map((source) => [source.uri, source]));
    const opened = await openSources(connect);
    const kept = opened.map((source) => known.get(source.uri) ?? source);
    await this.#polling.leave(new Set([...known.keys()].filter((uri) => !kept.some((source) => source.uri === uri))));
    await this.#registry.reconfigure(kept, { deadlineMs: timeoutMs });
    // One that is there already was opened, but has read nothing.
    await Promise.allSettled(opened.filter((source) => !kept.includes(source)).map((source) => source.close()));
    await this.#watch.look();
  }

  async #listen(face: Face, activated: ReadonlyMap<string, number>, untaken: Set<string>): Promise<void> {
    const { runtimeDir, socket } = this.#config;
    const context: FaceContext = {
      runtimeDir,
      sockets: socket,
      domains: this.#watch,
      log: logOf(face, this.#log),
      activated: (name) => {
        untaken.delete(name);
        return activated.get(name);
      },
      ...(this.#tls && { tls: this.#tls }),
      ...(this.#web && { web: this.#web }),
      isToken: (sha256) => this.#access.isToken(sha256),
      isNamed: (caller) => this.#access.isNamed(caller),
      rulesNumber: () => this.#rulesNumber,
      // What is pushed is of all domains: how much it is says how many there are.
      ownFamilies: (caller) => (this.#access.seesEverything(caller) ? pushFamilies(this.pushes) : []),
      readerFor: (caller) =>
        new RuledReader(
          { registry: this.#registry, states: this.states, refusals: this.#refusals, access: () => this.#access },
          face.name,
          caller,
        ),
    };
    await bounded(`the face ${face.name}`, () => face.listen(context));
  }
}

function bounded(what: string, work: () => Promise<void>): Promise<void> {
  return withDeadline(work, { signal: new AbortController().signal, timeoutMs: FACE_TIMEOUT_MS, what });
}

function logOf({ name: face }: Face, log: Log): FaceLog {
  return {
    info: (facts, message) => log.info({ face, ...facts }, message),
    warn: (facts, message) => log.warn({ face, ...facts }, message),
  };
}

/** Configurations are plain data, made in one order of keys. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
