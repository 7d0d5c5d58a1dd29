import type { Growth, GrowthByName } from '../../model/growth.ts';
import { boundariesOf } from '../../model/histogram.ts';
import type { Sample, StatEntry } from '../../model/sample.ts';
import { isHistogram, type StatDescriptor } from '../../model/stat.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import { domainNames } from '../domain-names.ts';
import type { DescriptorsByName, SchemaBook } from '../schema-book.ts';
import type { Paint } from '../terminal.ts';
import { histogramLines, histogramSummary } from './histogram.ts';
import type { Growths } from './query-document.ts';
import { scaled } from './scaled.ts';
import { tableLines } from './table.ts';
import { displayWidth, pad, printable } from './text.ts';

/** What a query's text shows. */
export interface QueryView {
  readonly book: SchemaBook;
  readonly paint: Paint;
  /** Present where growth is shown instead of totals. */
  readonly growths?: Growths;
}

/** Stands where there is no earlier value to compare with. */
const NO_GROWTH = '-';

const INDENT = '  ';

/** Samples for people: a block for each object with its stats in the schema's order, values in human units. */
export function queryText(answers: readonly SampleAnswer[], view: QueryView): string {
  const nameOf = domainNames(answers.map(({ domain }) => domain));
  return answers
    .flatMap(({ domain, items }) =>
      items.map((sample) => {
        const lines = statLines(sample, view.book.of(domain, sample), view);
        return `${[title(nameOf(domain), sample, view.paint), ...lines].join('\n')}\n`;
      }),
    )
    .join('\n');
}

function title(domain: string, { provider, target, path, via, stale }: Sample, paint: Paint): string {
  const about = [provider, target, ...(path === undefined ? [] : [path]), `(${via})`].join(' ');
  const head = `${paint('bold', printable(domain))}  ${paint('dim', printable(about))}`;
  return stale === undefined ? head : `${head}  ${paint('yellow', staleText(stale))}`;
}

/** Since when a value is old, and why. */
export function staleText({ ageNs, reason }: NonNullable<Sample['stale']>): string {
  return `${scaled(ageNs, { unit: 'seconds', base: 10, exponent: -9 })} old: ${printable(reason)}`;
}

function statLines(sample: Sample, descriptors: DescriptorsByName, view: QueryView): string[] {
  const growths = view.growths === undefined ? undefined : (view.growths.get(sample) ?? new Map());
  const shown = sample.stats.map((entry) => {
    const descriptor = descriptors.get(entry.name) ?? undescribed(entry.name);
    return shownStat(entry, descriptor, { growths, paint: view.paint, siblings: sample.stats });
  });
  const rows = tableLines(
    shown.map(({ cells }) => cells),
    { indent: INDENT },
  );
  const nameWidth = Math.max(0, ...shown.map(({ cells }) => displayWidth(cells[0] ?? '')));
  return shown.flatMap(({ cells, summary, below }, index) => {
    // The summary of a histogram and a list are long: they must not push the values of the others apart.
    if (summary === undefined) return [rows[index] ?? ''];
    return [`${INDENT}${pad(cells[0] ?? '', nameWidth)}  ${summary}`, ...below];
  });
}

function undescribed(name: string): StatDescriptor {
  return { name, type: 'instant', exponent: 0 };
}

/** A row of the table; of a list the name and what stands behind that, of a histogram the lines of its buckets below. */
interface ShownStat {
  readonly cells: readonly string[];
  readonly summary?: string;
  readonly below: readonly string[];
}

/** What stands around a stat. */
interface Surroundings {
  readonly growths: GrowthByName | undefined;
  readonly paint: Paint;
  /** All stats of the same sample. */
  readonly siblings: readonly StatEntry[];
}

function shownStat(
  { name, value }: StatEntry,
  stat: StatDescriptor,
  { growths, paint, siblings }: Surroundings,
): ShownStat {
  const growth = growths?.get(name);
  const cells = [printable(name)];
  if (typeof value === 'boolean') return { cells: [...cells, value ? 'yes' : 'no'], below: [] };
  if (typeof value === 'bigint') {
    const rate = growths === undefined || stat.type !== 'cumulative' ? [] : [rateText(growth, stat, paint)];
    return { cells: [...cells, scaled(value, stat), ...rate], below: [] };
  }
  if (!isHistogram(stat)) return { cells, summary: value.map((one) => scaled(one, stat)).join(', '), below: [] };
  const boundaries = boundariesOf(name, siblings);
  if (growths === undefined) return buckets(cells, stat, value, { prefix: '', boundaries });
  if (growth === undefined || typeof growth.delta === 'bigint') return { cells: [...cells, NO_GROWTH], below: [] };
  return buckets(cells, stat, growth.delta, { prefix: `${rateText(growth, { exponent: 0 }, paint)}: `, boundaries });
}

function buckets(
  cells: readonly string[],
  stat: StatDescriptor,
  counts: readonly bigint[],
  { prefix, boundaries }: { readonly prefix: string; readonly boundaries: readonly bigint[] | undefined },
): ShownStat {
  const below = histogramLines(stat, counts, INDENT.repeat(3), boundaries);
  return { cells, summary: `${prefix}${histogramSummary(stat, counts, boundaries)}`, below };
}

/** Growth per second: `+12.5/s`, and that the counter began anew. */
export function rateText(
  growth: Growth | undefined,
  scale: Pick<StatDescriptor, 'unit' | 'base' | 'exponent'>,
  paint: Paint,
): string {
  if (growth === undefined) return NO_GROWTH;
  const text = `${growth.rate > 0 ? '+' : ''}${scaled(growth.rate, scale, '/s')}`;
  return growth.reset ? `${text} ${paint('yellow', '(reset)')}` : text;
}
