import type { StatEntry } from '../../model/sample.ts';
import { factorOf } from '../../model/scale.ts';
import { isHistogram, isMonotonic, type StatDescriptor } from '../../model/stat.ts';
import { compact, compactBytes, compactPercent, compactSeconds } from '../render/compact.ts';
import { scaled } from '../render/scaled.ts';
import { byTarget } from './offers.ts';
import type { Track } from './tracks.ts';

/** Where a figure comes from. What is absent may be anything; the first target that has it counts. */
export interface FigureSource {
  readonly target?: string;
  readonly provider?: string;
  /** Added up. */
  readonly names: readonly string[];
  /** Subtracted. */
  readonly less?: string;
}

/** A figure: of what only grows the rate, where its total was not asked for; of all else the value. */
export interface Figure {
  /** In raw steps. */
  readonly raw: number;
  /** In the stat's unit; the same as `raw` where its scale is none that can be applied. */
  readonly value: number;
  readonly stat: StatDescriptor;
  readonly isRate: boolean;
}

/**
 * The figure of a column for some objects of one domain, all of which count: the first source that any of them has, and of its
 * targets and providers the first. Undefined where none has it.
 *
 * What grows is added up, and so are bytes; of other values the largest stands for all, since nobody can say what their sum
 * would mean.
 */
export function figureOf(
  sources: readonly FigureSource[],
  tracks: readonly Track[],
  isTotal = false,
): Figure | undefined {
  for (const source of sources) {
    const found = tracks
      .filter(({ sample }) => isAt(source, sample.target, sample.provider))
      .flatMap((track) => figureOfObject(source, track, isTotal) ?? []);
    const [first] = found.sort((a, b) => byTarget(a.target, b.target));
    if (first === undefined) continue;
    const alike = found.filter(({ target, provider }) => target === first.target && provider === first.provider);
    return together(alike.map(({ figure }) => figure));
  }
  return undefined;
}

/** The figure of one value of an object; undefined where there is none yet, or it is a list. */
export function figureOfEntry(
  { descriptors, growths }: Track,
  { name, value }: StatEntry,
  isTotal = false,
): Figure | undefined {
  const stat = descriptors.get(name) ?? { name, type: 'instant', exponent: 0 };
  if (isMonotonic(stat) && !isTotal) {
    const rate = growths.get(name)?.rate;
    return rate === undefined ? undefined : figure(rate, countedBy(stat), true);
  }
  return typeof value === 'object' ? undefined : figure(Number(value), stat, false);
}

/** What several objects have together. */
export function together(figures: readonly Figure[]): Figure | undefined {
  const [first] = figures;
  if (first === undefined) return undefined;
  if (isAdded(first.stat)) {
    return { ...first, raw: sum(figures.map(({ raw }) => raw)), value: sum(figures.map(({ value }) => value)) };
  }
  return figures.reduce((most, each) => (each.value > most.value ? each : most));
}

/** True where values of several objects add up: what grows, and bytes. */
export function isAdded(stat: StatDescriptor): boolean {
  return isMonotonic(stat) || (stat.type === 'instant' && stat.unit === 'bytes');
}

/** A figure in few characters; its unit, where these do not say it, is in {@link unitTitle}. */
export function figureText({ raw, value, stat, isRate }: Figure, words?: ReadonlyMap<number, string>): string {
  const word = words?.get(value);
  if (word !== undefined) return word;
  if (!isScalable(stat) || !Number.isFinite(value)) return scaled(raw, stat, isRate ? '/s' : '');
  if (stat.unit === 'bytes') return compactBytes(value);
  if (stat.unit === 'seconds') return isRate ? compactPercent(value) : compactSeconds(value);
  if (stat.unit === 'boolean') return value === 0 ? 'no' : 'yes';
  return compact(value);
}

/** What stands behind a stat's name at the head of its column. Time that is spent by the second is a share: percent. */
export function unitTitle(stat: StatDescriptor): string {
  const counted = countedBy(stat);
  if (!isScalable(counted)) return '';
  if (!isMonotonic(stat)) {
    return isUnitInText(counted) || counted.unit === undefined ? '' : ` ${counted.unit}`;
  }
  if (counted.unit === 'seconds') return '%';
  return isUnitInText(counted) || counted.unit === undefined ? '/s' : ` ${counted.unit}/s`;
}

function isUnitInText({ unit }: StatDescriptor): boolean {
  return unit === 'bytes' || unit === 'seconds' || unit === 'boolean';
}

/** A histogram's unit is that of its bounds: what grows is a count. */
function countedBy(stat: StatDescriptor): StatDescriptor {
  return isHistogram(stat) ? { name: stat.name, type: stat.type, exponent: 0 } : stat;
}

function figureOfObject(
  { names, less }: FigureSource,
  track: Track,
  isTotal: boolean,
): { readonly target: string; readonly provider: string; readonly figure: Figure } | undefined {
  const added = names.map((name) => figureNamed(track, name, isTotal));
  const taken = less === undefined ? undefined : figureNamed(track, less, isTotal);
  const [first] = added;
  if (first === undefined || added.includes(undefined) || (less !== undefined && taken === undefined)) return undefined;
  const total = (of: (figure: Figure) => number): number =>
    sum(added.map((each) => (each === undefined ? 0 : of(each)))) - (taken === undefined ? 0 : of(taken));
  const whole = { ...first, raw: total(({ raw }) => raw), value: total(({ value }) => value) };
  const { target, provider } = track.sample;
  return less !== undefined && whole.value < 0 ? undefined : { target, provider, figure: whole };
}

function isAt({ target, provider }: FigureSource, ofTarget: string, ofProvider: string): boolean {
  return (target === undefined || target === ofTarget) && (provider === undefined || provider === ofProvider);
}

function figureNamed(track: Track, name: string, isTotal: boolean): Figure | undefined {
  const entry = track.sample.stats.find((each) => each.name === name);
  return entry && figureOfEntry(track, entry, isTotal);
}

function figure(raw: number, stat: StatDescriptor, isRate: boolean): Figure {
  return { raw, value: raw * factorOf(stat), stat, isRate };
}

function isScalable({ base, exponent }: StatDescriptor): boolean {
  return base === undefined ? exponent === 0 : typeof base === 'number';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
