import type { Sample } from '../../model/sample.ts';
import { isHistogram, isMonotonic, type StatDescriptor } from '../../model/stat.ts';
import { VarlinkError, type VarlinkParameters } from '../../protocol/varlink/messages.ts';
import type { StreamMethod, VarlinkImplementation } from '../../protocol/varlink/service.ts';
import { INT_MAX } from '../../protocol/varlink/types.ts';
import type { SampleAnswer, SchemaAnswer } from '../../registry/answer.ts';
import { METRICS_INTERFACE } from './metrics-idl.ts';
import type { CurrentReader } from './stats.ts';

/** Most metrics that one collection gives: systemd-report takes no more of all services together. */
export const MAX_METRICS = 4096;

/** Values up to this old will do, in milliseconds: several readers of the same minute cost one collection. */
const MAX_AGE_MS = 1000;

/** What every name begins with: the interface below whose name the socket is linked into /run/systemd/report. */
const PREFIX = 'org.virtstat.Stats';

/** The metrics of one name. */
interface Family {
  readonly name: string;
  readonly provider: string;
  readonly target: string;
  readonly stat: StatDescriptor;
}

/**
 * `io.systemd.Metrics` for one connection: of each domain and each stat one number, over all objects of the target: the sum,
 * of a peak the largest. Histograms are left out. Where {@link MAX_METRICS} would be passed, the families that come last in
 * the schemas are left out, for every domain alike.
 */
export function metricsImplementation(current: CurrentReader, maxMetrics: number = MAX_METRICS): VarlinkImplementation {
  const list: StreamMethod = async function* ({ signal }) {
    const reader = current();
    const families = familiesOf(await reader.schemas({ signal }), maxMetrics);
    const targets = [...new Set(families.map(({ target }) => target))];
    const answers = await Promise.all(
      targets.map((target) => reader.query({ target }, { signal, maxAgeMs: MAX_AGE_MS })),
    );
    const byTarget = new Map(targets.map((target, index) => [target, answers[index] ?? []]));
    return yield* each(families.flatMap((family) => metricsOf(family, byTarget.get(family.target) ?? [])));
  };
  const describe: StreamMethod = async function* ({ signal }) {
    const reader = current();
    const families = familiesOf(await reader.schemas({ signal }), maxMetrics);
    return yield* each(
      families.map(({ name, stat, provider, target }) => ({
        name,
        description: `${stat.name} of target ${target}, by provider ${provider}${scaleText(stat)}`,
        type: isMonotonic(stat) ? 'counter' : 'gauge',
      })),
    );
  };
  return {
    definition: METRICS_INTERFACE,
    stream: { List: list, Describe: describe },
    errorOf: () => new VarlinkError('io.systemd.Metrics.NoSuchMetric'),
  };
}

/** Replies one by one. @throws NoSuchMetric of `io.systemd.Metrics` where there is none */
async function* each(replies: readonly VarlinkParameters[]): ReturnType<StreamMethod> {
  const last = replies.at(-1);
  if (last === undefined) throw new VarlinkError('io.systemd.Metrics.NoSuchMetric');
  yield* replies.slice(0, -1);
  return last;
}

function familiesOf(answers: readonly SchemaAnswer[], maxMetrics: number): readonly Family[] {
  const families = new Map<string, Family>();
  for (const { provider, target, stats } of answers.flatMap(({ items }) => items)) {
    for (const stat of stats) {
      const name = `${PREFIX}.${[provider, target, stat.name].map(camelCase).join('')}`;
      if (!isHistogram(stat) && !families.has(name)) families.set(name, { name, provider, target, stat });
    }
  }
  return [...families.values()].slice(0, Math.floor(maxMetrics / Math.max(1, answers.length)));
}

/** `halt_poll_fail_ns` as systemd writes names: `HaltPollFailNs`. */
function camelCase(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/** A domain whose values are old is left out: this interface has no word for it. */
function metricsOf(family: Family, answers: readonly SampleAnswer[]): readonly VarlinkParameters[] {
  const { name, provider, target, stat } = family;
  return answers.flatMap(({ domain, items }) => {
    const samples = items.filter((sample) => sample.provider === provider && sample.stale === undefined);
    const numbers = samples.flatMap((sample) => numberOf(sample, stat.name) ?? []);
    if (numbers.length === 0) return [];
    const value = stat.type === 'peak' ? numbers.reduce(larger) : numbers.reduce((total, number) => total + number);
    if (value > INT_MAX) return [];
    return {
      name,
      value,
      object: domain.name,
      fields: { provider, target, ...(domain.uuid && { uuid: domain.uuid }) },
    };
  });
}

function numberOf({ stats }: Sample, name: string): bigint | undefined {
  const value = stats.find((stat) => stat.name === name)?.value;
  return typeof value === 'boolean' ? BigInt(value) : typeof value === 'bigint' ? value : undefined;
}

function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

function scaleText({ unit, base, exponent }: StatDescriptor): string {
  const scale = exponent === 0 ? '' : ` times ${base ?? 'an unknown base'}^${exponent}`;
  return unit === undefined && scale === '' ? '' : `, in ${unit ?? 'units'}${scale}`;
}
