import { domainNames } from '../domain-names.ts';
import { compactAge } from '../render/compact.ts';
import { AGE, type Column } from './columns.ts';
import type { TopData } from './data.ts';
import { type FigureSource, figureOf, figureText } from './figures.ts';
import { areStale, type DomainObject, deviceOf, objectsOf, oldestNs } from './objects.ts';
import { byTarget } from './offers.ts';
import type { TableCell, TableColumn, TableRow, TopTable } from './table.ts';
import type { Track } from './tracks.ts';

/** What makes a table of figures. */
export interface FiguresView {
  readonly data: TopData;
  readonly columns: readonly Column[];
  /** The time now: nanoseconds since 1970. */
  readonly nowNs: bigint;
}

/** Id of the column of domains' names. */
export const NAME = 'name';

/** Key of the row that all objects of a domain share. */
export const WHOLE = '';

/** Stands behind an age where the figures are old. */
const STALE_MARK = '!';

/** All domains with their figures. */
export function domainsTable(view: FiguresView): TopTable {
  const { data, columns } = view;
  const { domains } = data;
  const nameOf = domainNames(domains);
  const rows = domains.map((domain): TableRow => {
    const tracks = data.tracks('columns').of(domain.id);
    const name = nameOf(domain);
    const hasNothing = tracks.length === 0 && data.errorsOf(domain.id).length > 0;
    const isStale = hasNothing || areStale(tracks) || data.sourceProblem(domain) !== undefined;
    const { uuid = '', pid = '' } = domain;
    return rowOf(domain.id, [NAME, name], tracks, view, { isStale, searched: [name, uuid, String(pid)] });
  });
  return { isOrdered: false, columns: [textColumn(NAME, 'NAME'), ...columns.map(columnOf)], rows };
}

/** The objects of one domain: all together, those of a target together where it has several, and each. */
export function objectsTable(domainId: string, view: FiguresView): TopTable {
  const { data, columns } = view;
  const domain = data.domain(domainId);
  const tracks = data.tracks('all').of(domainId);
  const isOld = domain !== undefined && data.sourceProblem(domain) !== undefined;
  const more = (own: readonly Track[], ...searched: readonly string[]): RowExtras => ({
    isStale: isOld || areStale(own),
    searched,
  });
  const whole = rowOf(WHOLE, ['object', 'all'], tracks, view, more(tracks, 'all'));
  const byName = Map.groupBy(objectsOf(tracks), ({ target }) => target);
  const rows = [...byName]
    .sort(([a], [b]) => byTarget(a, b))
    .flatMap(([target, objects]) => {
      const each = objects.map((object) => objectRow(object, view, more(object.tracks, object.label, object.path)));
      if (objects.length < 2) return each;
      const together = objects.flatMap((object) => object.tracks);
      const label = `${target} (${objects.length})`;
      return [rowOf(keyOfObject(target), ['object', label], together, view, more(together, target)), ...each];
    });
  const shown = [...columns.map(columnOf), textColumn('device', 'DEVICE'), textColumn('path', 'PATH')];
  return { isOrdered: true, columns: [textColumn('object', 'OBJECT'), ...shown], rows: [whole, ...rows] };
}

/** Key of the row of one object or, without a path, of all objects of a target. */
export function keyOfObject(target: string, path?: string): string {
  return JSON.stringify(path === undefined ? [target] : [target, path]);
}

/** What {@link keyOfObject} was made of; undefined for the row of all objects. */
export function objectOfKey(key: string): { readonly target: string; readonly path?: string } | undefined {
  if (key === WHOLE) return undefined;
  const [target, path] = JSON.parse(key) as [string, string?];
  return { target, ...(path !== undefined && { path }) };
}

type RowExtras = Pick<TableRow, 'isStale' | 'searched'>;

function objectRow(object: DomainObject, view: FiguresView, extras: RowExtras): TableRow {
  const { target, path, label, tracks } = object;
  const withOwn = {
    ...view,
    columns: view.columns.map((column) => ({ ...column, sources: ofTarget(column, target) })),
  };
  const row = rowOf(keyOfObject(target, path), ['object', label], tracks, withOwn, extras);
  const device = deviceOf(object);
  const cells = new Map(row.cells);
  if (path !== '') cells.set('path', textCell(path));
  if (device !== undefined) cells.set('device', textCell(device));
  return { ...row, cells };
}

/** Where one object has its own figure, that is the one to show. */
function ofTarget({ sources, ofObjects = [] }: Column, target: string): readonly FigureSource[] {
  const own = ofObjects.filter((source) => source.target === target);
  return own.length > 0 ? own : sources;
}

function rowOf(
  key: string,
  [first, label]: readonly [id: string, label: string],
  tracks: readonly Track[],
  { columns, nowNs }: FiguresView,
  extras: RowExtras,
): TableRow {
  const cells = new Map<string, TableCell>([[first, textCell(label)]]);
  for (const column of columns) {
    const cell = column.id === AGE ? ageCell(tracks, nowNs, extras.isStale) : figureCell(column, tracks);
    if (cell !== undefined) cells.set(column.id, cell);
  }
  return { key, cells, ...extras };
}

function figureCell({ sources, words, isTotal }: Column, tracks: readonly Track[]): TableCell | undefined {
  const figure = figureOf(sources, tracks, isTotal);
  return figure && { text: figureText(figure, words), rank: figure.value };
}

function ageCell(tracks: readonly Track[], nowNs: bigint, isStale: boolean): TableCell | undefined {
  const oldest = oldestNs(tracks);
  if (oldest === undefined) return undefined;
  const seconds = Number(nowNs - oldest) / 1e9;
  return { text: `${compactAge(seconds)}${isStale ? STALE_MARK : ''}`, rank: Math.max(0, seconds) };
}

function columnOf({ id, title, words }: Column): TableColumn {
  return { id, title, isNumber: words === undefined };
}

function textColumn(id: string, title: string): TableColumn {
  return { id, title, isNumber: false };
}

function textCell(text: string): TableCell {
  return { text, rank: text };
}
