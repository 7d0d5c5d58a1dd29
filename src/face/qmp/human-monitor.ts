import type { CallOptions, MonitorRelay } from '../../model/provider.ts';
import type { Sample } from '../../model/sample.ts';
import { parseInfoStatsArguments } from '../../protocol/hmp/command-line.ts';
import { formatInfoStats } from '../../protocol/hmp/info-stats.ts';
import { parseMonitorLine } from '../../protocol/hmp/monitor-line.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import { type QemuVersion, QmpCommandError } from '../../protocol/qmp/messages.ts';
import { decodeCpus, type VmCpu } from '../../protocol/qmp/queries.ts';
import type { CheckedArguments } from '../../protocol/qmp/server/arguments.ts';
import { statsWords } from '../../protocol/qmp/server/commands.ts';
import type { DomainStats } from './domain-stats.ts';

/** What a line of the human monitor is answered from. */
export interface HumanMonitor {
  readonly stats: DomainStats;
  readonly monitor: MonitorRelay;
  readonly version: QemuVersion;
}

const COMMAND = 'human-monitor-command';
const LINE_END = '\r\n';

/**
 * `human-monitor-command`: the text of `info stats` as QEMU prints it, and QEMU's words for every line that is something
 * else. Each call is a monitor of its own, so that a chosen CPU holds for one line.
 */
export async function humanMonitorCommand(
  args: CheckedArguments,
  human: HumanMonitor,
  options: CallOptions,
): Promise<string> {
  const cpu = await chosenCpu(args['cpu-index'] as bigint | undefined, human, options);
  const line = parseMonitorLine(String(args['command-line']));
  if (line.kind === 'answer') return textOf(line.lines);
  const parsed = parseInfoStatsArguments(line.args, statsWords(human.version));
  if (!parsed.ok) return textOf(parsed.lines);
  const { target, names, provider } = parsed.value;
  const [all, schemas] = await Promise.all([
    human.stats.samples(target, options),
    human.stats.schemas(options, { target }),
  ]);
  const paths = target === 'vcpu' ? [(cpu ?? (await firstCpu(human, options)))?.path ?? ''] : undefined;
  const providers = provider === undefined ? undefined : [provider];
  const samples = all.flatMap((sample): Sample[] => {
    if (providers?.includes(sample.provider) === false) return [];
    if (paths !== undefined && !paths.includes(sample.path ?? '')) return [];
    const stats = names === undefined ? sample.stats : sample.stats.filter(({ name }) => names.includes(name));
    return stats.length === 0 ? [] : [{ ...sample, stats }];
  });
  return formatInfoStats(samples, schemas, { providerAsked: provider !== undefined, lineEnd: LINE_END });
}

/** Before anything of the line is looked at. The index is a C `int`. */
async function chosenCpu(
  index: bigint | undefined,
  human: HumanMonitor,
  options: CallOptions,
): Promise<VmCpu | undefined> {
  if (index === undefined) return undefined;
  const wanted = Number(BigInt.asIntN(32, index));
  const cpu = (await cpus(human, options)).find((each) => each.index === wanted);
  if (cpu === undefined)
    throw new QmpCommandError(COMMAND, 'GenericError', "Parameter 'cpu-index' expects a CPU number");
  return cpu;
}

async function firstCpu(human: HumanMonitor, options: CallOptions): Promise<VmCpu | undefined> {
  return (await cpus(human, options))[0];
}

async function cpus({ monitor }: HumanMonitor, options: CallOptions): Promise<readonly VmCpu[]> {
  return decodeCpus((await monitor.ask('query-cpus-fast', undefined, options)) as JsonValue);
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => line + LINE_END).join('');
}
