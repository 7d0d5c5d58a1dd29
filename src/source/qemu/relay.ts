import { nowNs } from '../../host/clock.ts';
import type { Availability, Domain, Vmm } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type {
  BalloonPolling,
  CallOptions,
  MonitorRelay,
  MonitorValue,
  OfferedProvider,
  Provider,
  StatsRequest,
} from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import { decodeIothreads, type Iothread } from '../../protocol/qmp/iothreads.ts';
import { type QemuVersion, QmpCommandError } from '../../protocol/qmp/messages.ts';
import {
  decodeCpus,
  decodeKvm,
  decodeName,
  decodeStatus,
  decodeUuid,
  type VmCpu,
  type VmStatus,
} from '../../protocol/qmp/queries.ts';
import type { QmpArguments } from '../../protocol/qmp/session.ts';
import { decodeSchemas, decodeStats } from '../../protocol/qmp/stats-reply.ts';
import { encodeStatsFilter, encodeStatsRequest } from '../../protocol/qmp/stats-request.ts';
import { explained } from '../explain.ts';
import { QemuBalloonPolling } from './balloon-polling.ts';
import { Kept } from './kept.ts';
import type { Monitor } from './monitor.ts';
import { ownProviders } from './providers/own.ts';
import { isRelayedQuestion } from './questions.ts';
import { VIA_QMP } from './via.ts';

/** What a VM is called. */
export interface Identity {
  readonly name?: string;
  readonly uuid?: string;
}

/** The provider that people look for, and its targets, so that its absence is explained. */
const KVM = 'kvm';
const KVM_TARGETS = ['vm', 'vcpu'] as const;

/** What QEMU can measure, or why it cannot. */
export interface Offer {
  readonly schemas: readonly Schema[];
  /** Why KVM measures nothing, one sentence for people; present exactly where no schema is of provider `kvm`. */
  readonly reason?: string;
}

/** Choices of a {@link Relay}. */
export interface RelayOptions {
  /** The monitor belongs to one known process, so that what it told stays true on its next connection; false if absent. */
  readonly isOneProcess?: boolean;
}

/** What QEMU can be asked through a monitor, as providers of the model. Never changes anything in the VM. */
export class Relay implements MonitorRelay {
  readonly #monitor: Monitor;
  readonly #offer: Kept<Offer>;
  readonly #identity: Kept<Identity>;
  /** Our own providers, which stand on other commands than `query-stats`. */
  readonly own: readonly OfferedProvider[];
  /** Apart from what reads. */
  readonly balloonPolling: BalloonPolling;

  constructor(monitor: Monitor, { isOneProcess = false }: RelayOptions = {}) {
    this.#monitor = monitor;
    this.#offer = new Kept(monitor, { isOneProcess }, (call) => this.#askOffer(call));
    this.#identity = new Kept(monitor, { isOneProcess }, (call) => this.#askIdentity(call));
    this.own = ownProviders(monitor, { isOneProcess });
    this.balloonPolling = new QemuBalloonPolling(monitor);
  }

  /**
   * What can be measured. An old QEMU and one without KVM offer nothing, with the reason.
   * @throws as {@link Monitor.execute}; QMP_REPLY_INVALID
   */
  offer(options: CallOptions): Promise<Offer> {
    return this.#offer.get(options);
  }

  /** The last {@link offer}, while it holds; undefined where QEMU would have to be asked. */
  get knownOffer(): Offer | undefined {
    return this.#offer.known?.value;
  }

  /** One provider for each that `query-stats` names; none where QEMU offers nothing. @throws as {@link offer} */
  async offered(options: CallOptions): Promise<readonly Provider[]> {
    const { schemas } = await this.offer(options);
    return [...new Set(schemas.map((schema) => schema.provider))].map((name) => this.#provider(name, schemas));
  }

  /** Those of `query-stats`, then our own. @throws as {@link offer} */
  async providers(options: CallOptions): Promise<readonly Provider[]> {
    return [...(await this.offered(options)), ...this.own];
  }

  /**
   * What can be read through this monitor and, where something cannot, why: also where KVM measures nothing.
   * @throws as {@link offer}
   */
  async availability(domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    const [{ schemas, reason }, ...own] = await Promise.all([
      this.offer(options),
      ...this.own.map((provider) => explained(provider, VIA_QMP, domain, options)),
    ]);
    const offered = schemas.map(({ provider, target }) => ({ provider, target, via: VIA_QMP, available: true }));
    const missing = reason === undefined ? [] : KVM_TARGETS.map((target) => notMeasured(target, reason));
    return [...missing, ...offered, ...own.flat()];
  }

  /** The vCPUs, ascending. @throws as {@link offer} */
  async cpus(options: CallOptions): Promise<readonly VmCpu[]> {
    return decodeCpus(await this.#ask('query-cpus-fast', options));
  }

  /** The I/O threads, ascending. @throws as {@link offer} */
  async iothreads(options: CallOptions): Promise<readonly Iothread[]> {
    return decodeIothreads(await this.#ask('query-iothreads', options));
  }

  /** Whether the VM runs. @throws as {@link offer} */
  async status(options: CallOptions): Promise<VmStatus> {
    return decodeStatus(await this.#ask('query-status', options));
  }

  /** Name and uuid, where the VM was given them. @throws as {@link offer} */
  identity(options: CallOptions): Promise<Identity> {
    return this.#identity.get(options);
  }

  /** Which QEMU it is. @throws as {@link offer} */
  async version(options: CallOptions): Promise<QemuVersion> {
    return (await this.#monitor.greeting(options)).version;
  }

  /** `domain` completed by what QEMU tells: name, uuid, state, number of vCPUs, version. @throws as {@link offer} */
  async describe(domain: Domain, options: CallOptions): Promise<Domain> {
    const [identity, status, cpus, version] = await Promise.all([
      this.identity(options),
      this.status(options),
      this.cpus(options),
      this.version(options),
    ]);
    return { ...domain, ...identity, state: status.status, vcpus: cpus.length, vmm: vmmOf(version) };
  }

  /**
   * Passes on a question of somebody else, with QEMU's answer as it is.
   * @throws USAGE for a command that is not on the list; QMP_COMMAND_FAILED with QEMU's words; as {@link offer}
   */
  async ask(question: string, args: QmpArguments | undefined, options: CallOptions): Promise<MonitorValue> {
    if (!isRelayedQuestion(question)) {
      throw new VirtstatError(
        'USAGE',
        `${question} is not passed on to a monitor: only questions that change nothing are`,
      );
    }
    return this.#monitor.execute(question, args, options);
  }

  #ask(command: string, options: CallOptions): Promise<JsonValue> {
    return this.#monitor.execute(command, undefined, options);
  }

  async #askIdentity(options: CallOptions): Promise<Identity> {
    const [nameReply, uuidReply] = await Promise.all([
      this.#ask('query-name', options),
      this.#ask('query-uuid', options),
    ]);
    const name = decodeName(nameReply);
    const uuid = decodeUuid(uuidReply);
    return { ...(name !== undefined && { name }), ...(uuid !== undefined && { uuid }) };
  }

  async #askOffer(options: CallOptions): Promise<Offer> {
    try {
      const schemas = decodeSchemas(await this.#ask('query-stats-schemas', options));
      const isMeasured = schemas.some((schema) => schema.provider === KVM);
      return isMeasured ? { schemas } : { schemas, reason: await this.#whyNothing(options) };
    } catch (error) {
      if (!(error instanceof QmpCommandError) || error.className !== 'CommandNotFound') throw error;
      const { major, minor } = await this.version(options);
      return { schemas: [], reason: `QEMU ${major}.${minor} has no query-stats; QEMU has it from 7.1 on` };
    }
  }

  async #whyNothing(options: CallOptions): Promise<string> {
    const { enabled } = decodeKvm(await this.#ask('query-kvm', options));
    return enabled
      ? 'the kernel gives QEMU no statistics; Linux has them from 5.14 on'
      : 'the VM runs without KVM, so there are no statistics of KVM';
  }

  #provider(name: string, schemas: readonly Schema[]): Provider {
    const own = schemas.filter((schema) => schema.provider === name);
    const others = new Set(schemas.filter((schema) => schema.provider !== name).map(({ target }) => target));
    return {
      name,
      targets: own.map((schema) => schema.target),
      schemas: async () => own,
      stats: (_domain, request, options) => this.#stats(name, request, !others.has(request.target), options),
    };
  }

  /**
   * QEMU takes in a request byte by byte, and each costs it a turn of its loop: where nobody else measures a target, nobody need
   * be named.
   */
  async #stats(
    provider: string,
    request: StatsRequest,
    isOnly: boolean,
    options: CallOptions,
  ): Promise<readonly Reading[]> {
    const isAll = isOnly && request.names === undefined;
    const args = isAll ? encodeStatsFilter(request) : encodeStatsRequest(provider, request);
    const reply = await this.#monitor.execute('query-stats', args, options);
    const collectedAtNs = nowNs();
    return decodeStats(reply)
      .filter((result) => result.provider === provider)
      .map(({ path, stats }) => ({ ...(path !== undefined && { path }), via: VIA_QMP, collectedAtNs, stats }));
  }
}

function notMeasured(target: string, reason: string): Availability {
  return { provider: KVM, target, via: VIA_QMP, available: false, reason };
}

function vmmOf({ major, minor, micro, package: packaged }: QemuVersion): Vmm {
  return { name: 'QEMU', version: `${major}.${minor}.${micro}`, ...(packaged !== '' && { package: packaged }) };
}
