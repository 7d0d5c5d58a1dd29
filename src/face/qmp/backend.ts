import { VirtstatError } from '../../model/errors.ts';
import type { ProviderFilter } from '../../model/filter.ts';
import type { CallOptions, MonitorRelay, MonitorValue } from '../../model/provider.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import { type QemuVersion, QmpCommandError } from '../../protocol/qmp/messages.ts';
import { reportedSchema } from '../../protocol/qmp/reported.ts';
import type { CheckedArguments } from '../../protocol/qmp/server/arguments.ts';
import { NEGOTIATION_COMMAND, QMP_COMMANDS, type QmpCommand } from '../../protocol/qmp/server/commands.ts';
import type { QmpBackend } from '../../protocol/qmp/server/session.ts';
import type { QmpOutput } from '../../protocol/qmp/server/writer.ts';
import { asArray, asObject } from '../../protocol/qmp/shape.ts';
import { encodeSchemas, encodeStats } from '../../protocol/qmp/stats-encode.ts';
import type { DomainStats } from './domain-stats.ts';
import { humanMonitorCommand } from './human-monitor.ts';
import { isReadableObject, isReadableProperty } from './object-rules.ts';
import type { ReplyCache } from './reply-cache.ts';
import { schemaSubset } from './schema-subset.ts';

const EXISTING: ReadonlySet<string> = new Set([...QMP_COMMANDS, NEGOTIATION_COMMAND]);

/** What answers the commands of one client: statistics from the registry, everything else from the VM's own monitor. */
export class DomainBackend implements QmpBackend {
  readonly version: QemuVersion;
  readonly #stats: DomainStats;
  readonly #monitor: MonitorRelay;
  readonly #replies: ReplyCache;

  constructor(version: QemuVersion, stats: DomainStats, monitor: MonitorRelay, replies: ReplyCache) {
    this.version = version;
    this.#stats = stats;
    this.#monitor = monitor;
    this.#replies = replies;
  }

  async execute(command: QmpCommand, args: CheckedArguments, options: CallOptions): Promise<QmpOutput> {
    switch (command) {
      case 'query-stats':
        return this.#queryStats(args, options);
      case 'query-stats-schemas':
        return this.#querySchemas(args['provider'] as string | undefined, options);
      case 'human-monitor-command':
        return humanMonitorCommand(
          args,
          { stats: this.#stats, monitor: this.#monitor, version: this.version },
          options,
        );
      case 'query-commands':
        return this.#commands(options);
      case 'query-qmp-schema':
        return schemaSubset(await this.#ask(command, undefined, options), (name) => EXISTING.has(name));
      case 'qom-list':
        return this.#qomList(String(args['path']), options);
      case 'qom-get':
        return this.#qomGet(String(args['path']), String(args['property']), options);
      case 'query-blockstats':
        return this.#ask(command, args as { readonly [name: string]: MonitorValue }, options);
      default:
        return this.#ask(command, undefined, options);
    }
  }

  async #queryStats(args: CheckedArguments, options: CallOptions): Promise<QmpOutput> {
    const target = args['target'] as string;
    const providers = args['providers'] as unknown as readonly ProviderFilter[] | undefined;
    const paths = args['vcpus'] as readonly string[] | undefined;
    const samples = await this.#stats.samples(target, options);
    const selection = { target, ...(providers && { providers }), ...(paths && { paths }) };
    return this.#replies.get(samples, JSON.stringify(selection), async () =>
      encodeStats(await this.#stats.select(samples, selection, options)),
    );
  }

  async #querySchemas(provider: string | undefined, options: CallOptions): Promise<QmpOutput> {
    const schemas = await this.#stats.schemas(options, provider === undefined ? {} : { provider });
    return encodeSchemas(schemas.map(reportedSchema));
  }

  async #commands(options: CallOptions): Promise<QmpOutput> {
    const all = asArray(await this.#ask('query-commands', undefined, options), 'query-commands');
    return all.filter((item, at) => EXISTING.has(String(asObject(item, `query-commands[${at}]`)['name'])));
  }

  async #qomList(path: string, options: CallOptions): Promise<QmpOutput> {
    if (!isReadableObject(path)) throw noDevice('qom-list', path);
    return this.#ask('qom-list', { path }, options);
  }

  /** A property that may not be read is one that does not exist. */
  async #qomGet(path: string, property: string, options: CallOptions): Promise<QmpOutput> {
    if (!isReadableObject(path)) throw noDevice('qom-get', path);
    if (isReadableProperty(property)) return this.#ask('qom-get', { path, property }, options);
    const type = await this.#ask('qom-get', { path, property: 'type' }, options);
    throw new QmpCommandError('qom-get', 'GenericError', `Property '${type}.${property}' not found`);
  }

  async #ask(
    command: QmpCommand,
    args: { readonly [name: string]: MonitorValue } | undefined,
    options: CallOptions,
  ): Promise<JsonValue> {
    const answer = await this.#monitor.ask(command, args, options);
    if (answer === undefined) throw new VirtstatError('INTERNAL', `the monitor has no answer to ${command}`);
    return answer as JsonValue;
  }
}

function noDevice(command: string, path: string): QmpCommandError {
  return new QmpCommandError(command, 'DeviceNotFound', `Device '${path}' not found`);
}
