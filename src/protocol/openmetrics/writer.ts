import { decimalText } from './decimal.ts';
import type { FamilyHead, HistogramPoint, MetricFamily, NumberPoint } from './family.ts';
import type { ExpositionFormat } from './format.ts';
import { escapeHelp, type LabelSet } from './labels.ts';

/** About how long each piece of text is, in characters: a fraction of a millisecond's work. */
const PIECE_LENGTH = 16_384;

/**
 * The text of families, in pieces of about 16 KiB: each is made when it is asked for, so that whoever writes them out may let
 * others have their turn in between, and nothing large is ever in memory. Families must have different names, and series of one
 * different labels.
 *
 * | line                               | OpenMetrics 1.0 | Prometheus 0.0.4 |
 * | ---------------------------------- | --------------- | ---------------- |
 * | `# HELP`, `# TYPE` of a counter    | name            | name with `_total` |
 * | `# UNIT`                           | where there is one | a comment there, left out |
 * | type of `info` and `unknown`       | the same        | `gauge`, `untyped` |
 * | `_count` of a histogram without sum | not allowed, left out | there      |
 * | `# EOF`                            | at the end      | left out         |
 */
export function* writeExposition(families: Iterable<MetricFamily>, format: ExpositionFormat): Generator<string, void> {
  let piece = '';
  for (const family of families) {
    piece += headText(family, format);
    for (const text of seriesOf(family, format)) {
      piece += text;
      if (piece.length < PIECE_LENGTH) continue;
      yield piece;
      piece = '';
    }
  }
  if (format === 'openmetrics') piece += '# EOF\n';
  if (piece !== '') yield piece;
}

/** How many lines a point is in this format: series of their own, to whoever stores them. */
export function linesOf(point: NumberPoint | HistogramPoint, format: ExpositionFormat): number {
  if (!('bounds' in point)) return 1;
  const { bounds, sum } = point;
  return bounds.shown.length + (sum === undefined ? Number(format === 'prometheus') : 2);
}

function* seriesOf(family: MetricFamily, format: ExpositionFormat): Generator<string, void> {
  if (family.type === 'histogram') {
    for (const point of family.points) yield histogramText(family.name, point, format);
    return;
  }
  const name = seriesName(family);
  for (const point of family.points) yield numberText(name, point);
}

function headText(family: FamilyHead, format: ExpositionFormat): string {
  const isOpenMetrics = format === 'openmetrics';
  const name = isOpenMetrics ? family.name : seriesName(family);
  const unit = isOpenMetrics && family.unit !== undefined ? `# UNIT ${name} ${family.unit}\n` : '';
  const type = isOpenMetrics ? family.type : PROMETHEUS_TYPES[family.type];
  return `# HELP ${name} ${escapeHelp(family.help, isOpenMetrics)}\n# TYPE ${name} ${type}\n${unit}`;
}

const PROMETHEUS_TYPES: Readonly<Record<FamilyHead['type'], string>> = {
  counter: 'counter',
  gauge: 'gauge',
  histogram: 'histogram',
  info: 'gauge',
  unknown: 'untyped',
};

/** The name of a family's series; of histograms what stands before `_bucket`. */
export function seriesName({ name, type }: Pick<FamilyHead, 'name' | 'type'>): string {
  if (type === 'counter') return `${name}_total`;
  return type === 'info' ? `${name}_info` : name;
}

function numberText(name: string, { labels, steps, scale }: NumberPoint): string {
  return `${name}${inBraces(labels)} ${decimalText(steps, scale)}\n`;
}

function histogramText(name: string, point: HistogramPoint, format: ExpositionFormat): string {
  const { labels, bounds, counts, sum, sumScale = bounds.scale } = point;
  const { le, shown } = bounds;
  const start = labels.text === '' ? `${name}_bucket{le="` : `${name}_bucket{${labels.text},le="`;
  let text = '';
  let total = 0n;
  let next = 0;
  for (const index of shown) {
    while (next <= index) total += counts[next++] ?? 0n;
    text += `${start}${le[index]}"} ${total}\n`;
  }
  if (sum !== undefined || format === 'prometheus') text += `${name}_count${inBraces(labels)} ${total}\n`;
  if (sum !== undefined) text += `${name}_sum${inBraces(labels)} ${decimalText(sum, sumScale)}\n`;
  return text;
}

function inBraces({ text }: LabelSet): string {
  return text === '' ? '' : `{${text}}`;
}
