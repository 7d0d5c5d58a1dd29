/** A value of JSON, as Grafana's files have it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** One query of a panel: PromQL, and the legend of its series. */
export interface Query {
  readonly expr: string;
  readonly legend?: string;
}

/** What there is to say of a panel beside its kind. */
export interface PanelOptions {
  readonly title: string;
  /** A sentence for people who look at it. */
  readonly description: string;
  readonly queries: readonly Query[];
  /** Grafana's id of a unit: `s`, `bytes`, `percentunit`, …; absent: a plain number. */
  readonly unit?: string;
  /** Of the 24 columns; half of them if absent. */
  readonly width?: number;
}

/** A panel that does not know its place yet. */
export interface Panel {
  readonly width: number;
  readonly height: number;
  readonly json: { readonly [key: string]: Json };
}

/** The data source that the user chose. */
export const DATASOURCE = { type: 'prometheus', uid: '$datasource' } as const;

const COLUMNS = 24;
const HEIGHT = 8;

/** Lines over time. */
export function timeSeries({ width, ...options }: PanelOptions, more: { readonly [key: string]: Json } = {}): Panel {
  return {
    width: width ?? COLUMNS / 2,
    height: HEIGHT,
    json: {
      ...common('timeseries', options),
      targets: options.queries.map((query, index) => ({ ...target(query, index), range: true })),
      options: {
        legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
        tooltip: { mode: 'multi', sort: 'desc' },
      },
      ...more,
    },
  };
}

/** What a column of a table is called, and how it is shown. */
export interface Column {
  readonly title: string;
  readonly unit?: string;
  /** Words for numbers. */
  readonly words?: ReadonlyMap<number, string>;
}

/** Labels and the newest values; `columns` are the names of the queries' values, in their order. */
export function table({ width, ...options }: PanelOptions, columns: readonly Column[]): Panel {
  const fieldOf = (index: number): string => (columns.length === 1 ? 'Value' : `Value #${refId(index)}`);
  return {
    width: width ?? COLUMNS,
    height: HEIGHT,
    json: {
      ...common('table', options),
      targets: options.queries.map((query, index) => ({ ...target(query, index), format: 'table', instant: true })),
      transformations: [
        { id: 'merge', options: {} },
        {
          id: 'organize',
          options: {
            excludeByName: { Time: true },
            renameByName: Object.fromEntries(columns.map(({ title }, index) => [fieldOf(index), title])),
          },
        },
      ],
      fieldConfig: {
        defaults: {},
        overrides: columns.map((column) => ({
          matcher: { id: 'byName', options: column.title },
          properties: propertiesOf(column),
        })),
      },
    },
  };
}

function propertiesOf({ unit, words }: Column): readonly Json[] {
  const properties: Json[] = [];
  if (unit !== undefined) properties.push({ id: 'unit', value: unit });
  if (words !== undefined) {
    const options = Object.fromEntries([...words].map(([number, text]) => [String(number), { text }]));
    properties.push({ id: 'mappings', value: [{ type: 'value', options }] });
  }
  return properties;
}

/** Panels below their headings, side by side as far as they fit. */
export function placed(rows: readonly (readonly [title: string, panels: readonly Panel[]])[]): readonly Json[] {
  const all: Json[] = [];
  let y = 0;
  for (const [title, panels] of rows) {
    all.push({ id: all.length + 1, type: 'row', title, collapsed: false, panels: [], gridPos: at(0, y, COLUMNS, 1) });
    y += 1;
    let x = 0;
    for (const { width, height, json } of panels) {
      if (x + width > COLUMNS) {
        x = 0;
        y += height;
      }
      all.push({ id: all.length + 1, ...json, gridPos: at(x, y, width, height) });
      x += width;
    }
    y += HEIGHT;
  }
  return all;
}

function at(x: number, y: number, w: number, h: number): Json {
  return { x, y, w, h };
}

function common(type: string, { title, description, unit }: PanelOptions): { readonly [key: string]: Json } {
  const fieldConfig = { defaults: unit === undefined ? {} : { unit }, overrides: [] };
  return { type, title, description, datasource: DATASOURCE, fieldConfig };
}

function target({ expr, legend }: Query, index: number): { readonly [key: string]: Json } {
  return {
    refId: refId(index),
    datasource: DATASOURCE,
    expr,
    ...(legend !== undefined && { legendFormat: legend }),
  };
}

/** A, B, … */
function refId(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}
