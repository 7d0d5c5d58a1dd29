import { totalCount } from '../../model/histogram.ts';
import type { StatEntry, StatValue } from '../../model/sample.ts';
import { factorOf } from '../../model/scale.ts';
import { isHistogram, isMonotonic, type StatDescriptor } from '../../model/stat.ts';
import { domainNames } from '../domain-names.ts';
import { livelinessOf } from '../live/liveliness.ts';
import { scaled } from '../render/scaled.ts';
import type { TopData } from './data.ts';
import { figureOfEntry, isAdded, together } from './figures.ts';
import { areStale, isInScope, objectsOf } from './objects.ts';
import { byTarget } from './offers.ts';
import type { Scope, StatKey } from './state.ts';
import type { TableCell, TableColumn, TableRow, TopTable } from './table.ts';
import type { Track } from './tracks.ts';

/** A stat of one object. */
export interface StatOfObject {
  readonly track: Track;
  readonly entry: StatEntry;
  readonly stat: StatDescriptor;
}

/** Key of the row that all objects share. */
const WHOLE = '';

/** The stats of everything in a scope, those of several objects together. */
export function statsTable(data: TopData, scope: Scope, isRebased: boolean): TopTable {
  const byKey = new Map<string, StatOfObject[]>();
  for (const track of tracksIn(data, scope)) {
    for (const entry of track.sample.stats) {
      const key = keyOfStat({ ...track.sample, name: entry.name });
      const one = { track, entry, stat: descriptorOf(track, entry.name) };
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, [one]);
      else known.push(one);
    }
  }
  const rows = [...byKey].map(([key, all]): TableRow => {
    const { target, provider, name } = statOfKey(key);
    const [first] = all as [StatOfObject, ...StatOfObject[]];
    const texts = [
      ['stat', name],
      ['provider', provider],
      ['target', target],
      ['type', first.stat.type],
    ] as const;
    const cells = new Map([...texts.map(([id, text]) => [id, textCell(text)] as const), ...figures(all, isRebased)]);
    return { key, cells, searched: [name], isStale: areStale(all.map(({ track }) => track)) };
  });
  const columns = [
    textColumn('stat', 'STAT'),
    ...figureColumns(isRebased),
    textColumn('provider', 'PROVIDER'),
    textColumn('target', 'TARGET'),
    textColumn('type', 'TYPE'),
  ];
  return { isOrdered: false, columns, rows };
}

/** The objects in a scope that have a stat: all together, where there are several, and each. */
export function statTable(data: TopData, scope: Scope, key: StatKey, isRebased: boolean): TopTable {
  const nameOf = domainNames(data.domains);
  const rows = Map.groupBy(objectsWith(data, scope, key), ({ track }) => track.domain.id);
  const each = [...rows.values()].flatMap((ofDomain) => {
    const objects = objectsOf(data.tracks('all').of(ofDomain[0]?.track.domain.id ?? ''));
    return ofDomain.map((one): TableRow => {
      const { domain, sample } = one.track;
      const path = sample.path ?? '';
      const found = objects.find((object) => object.target === sample.target && object.path === path);
      const label = `${scope.domain === undefined ? `${nameOf(domain)} ` : ''}${found?.label ?? sample.target}`;
      const cells = new Map([['object', textCell(label)], ...figures([one], isRebased)]);
      if (path !== '') cells.set('path', textCell(path));
      return { key: keyOfOne(one), cells, searched: [label, path], isStale: areStale([one.track]) };
    });
  });
  const all = objectsWith(data, scope, key);
  const cells = new Map([['object', textCell('all')], ...figures(all, isRebased)]);
  const tracks = all.map(({ track }) => track);
  const whole: TableRow = { key: WHOLE, cells, searched: ['all'], isStale: areStale(tracks) };
  const columns = [textColumn('object', 'OBJECT'), ...figureColumns(isRebased), textColumn('path', 'PATH')];
  return { isOrdered: true, columns, rows: each.length > 1 ? [whole, ...each] : each };
}

/** Every object in a scope that has a stat, or the one whose row has this key. */
export function objectsWith(data: TopData, scope: Scope, key: StatKey, row: string = WHOLE): readonly StatOfObject[] {
  const all = tracksIn(data, scope)
    .filter(({ sample }) => sample.target === key.target && sample.provider === key.provider)
    .flatMap((track) => {
      const entry = track.sample.stats.find(({ name }) => name === key.name);
      return entry === undefined ? [] : [{ track, entry, stat: descriptorOf(track, key.name) }];
    });
  return row === WHOLE ? all : all.filter((one) => keyOfOne(one) === row);
}

/** Key of a stat's row. */
export function keyOfStat({ target, provider, name }: StatKey): string {
  return JSON.stringify([target, provider, name]);
}

/** What {@link keyOfStat} was made of. */
export function statOfKey(key: string): StatKey {
  const [target, provider, name] = JSON.parse(key) as [string, string, string];
  return { target, provider, name };
}

function tracksIn(data: TopData, scope: Scope): readonly Track[] {
  const tracks = scope.domain === undefined ? data.tracks('all').all : data.tracks('all').of(scope.domain);
  return tracks.filter((track) => isInScope(track, scope)).sort((a, b) => byTarget(a.sample.target, b.sample.target));
}

function keyOfOne({ track }: StatOfObject): string {
  return JSON.stringify([track.domain.id, track.sample.path]);
}

function descriptorOf({ descriptors }: Track, name: string): StatDescriptor {
  return descriptors.get(name) ?? { name, type: 'instant', exponent: 0 };
}

function figureColumns(isRebased: boolean): readonly TableColumn[] {
  return [
    { id: 'total', title: isRebased ? 'SINCE r' : 'TOTAL', isNumber: true },
    { id: 'rate', title: 'PER SECOND', isNumber: true },
  ];
}

function figures(all: readonly StatOfObject[], isRebased: boolean): readonly (readonly [string, TableCell])[] {
  const [first] = all;
  if (first === undefined) return [];
  const { stat } = first;
  const total = totalCell(all, stat, isRebased);
  const rate = isMonotonic(stat)
    ? together(all.flatMap(({ track, entry }) => figureOfEntry(track, entry) ?? []))
    : undefined;
  return [
    ...(total === undefined ? [] : [['total', total] as const]),
    ...(rate === undefined
      ? []
      : [['rate', { text: scaled(rate.raw, rate.stat, '/s'), rank: livelinessOf(rate.raw, rate.stat) }] as const]),
  ];
}

function totalCell(all: readonly StatOfObject[], stat: StatDescriptor, isRebased: boolean): TableCell | undefined {
  const values = all.map((one) => (isRebased && isMonotonic(stat) ? sinceBase(one) : countOf(one.entry.value, stat)));
  if (values.some((value) => typeof value === 'boolean')) {
    const yes = values.includes(true);
    return { text: yes ? 'yes' : 'no', rank: Number(yes) };
  }
  const numbers = values.filter((value) => typeof value === 'bigint');
  if (numbers.length === 0) return undefined;
  const total = isAdded(stat) ? numbers.reduce((sum, each) => sum + each, 0n) : largest(numbers);
  const scale = isHistogram(stat) ? { exponent: 0 } : stat;
  return { text: scaled(total, scale), rank: Number(total) * (isHistogram(stat) ? 1 : factorOf(stat)) };
}

function largest(numbers: readonly bigint[]): bigint {
  let most = 0n;
  for (const each of numbers) if (each > most) most = each;
  return most;
}

/** A value as one number: of a histogram how many values it counted; undefined for other lists. */
function countOf(value: StatValue, stat: StatDescriptor): bigint | boolean | undefined {
  if (typeof value !== 'object') return value;
  return isHistogram(stat) ? totalCount(value) : undefined;
}

/** What was counted since somebody set totals back; a counter that began anew in between counts from there. */
function sinceBase({ track, entry, stat }: StatOfObject): bigint | undefined {
  const now = countOf(entry.value, stat);
  const base = track.base?.stats.find(({ name }) => name === entry.name);
  const before = base === undefined ? 0n : countOf(base.value, stat);
  if (typeof now !== 'bigint' || typeof before !== 'bigint') return undefined;
  return now < before ? now : now - before;
}

function textColumn(id: string, title: string): TableColumn {
  return { id, title, isNumber: false };
}

function textCell(text: string): TableCell {
  return { text, rank: text };
}
