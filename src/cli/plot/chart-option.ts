import type { EChartsCoreOption } from 'echarts/core';
import { factorOf } from '../../model/scale.ts';
import { countedBuckets, type HeatPanel, heatCells, type LinePanel, type Panel, timeSpan } from './panel.ts';
import { valueAxis } from './ticks.ts';
import { timeText, timeTicks } from './time-ticks.ts';
import { valueText } from './value-text.ts';

/** How high a panel is drawn, in pixels. */
export const LINE_HEIGHT = 320;

/** What a panel with `lines` in its legend, or `rows` of buckets, takes below and above its picture, in pixels. */
const LEGEND_ROW = 22;
const BUCKET_ROW = 18;
const FRAME = 110;

/** Pieces of time that a histogram is shown in, at most. */
const HEAT_CELLS = 240;

/** Labels of the value axis. */
const TICKS = 5;

/** What is left free at the sides, in pixels: at the left for letters that are wider than the library takes them for. */
const MARGINS = { left: 28, right: 44, top: 44 } as const;

/** The margins are outside of the labels. */
const LABELS_INSIDE = { outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' } as const;

const TEXT = { fontFamily: 'system-ui, sans-serif' } as const;

/** What the axis of time has room for, in characters, and how many are between two times at least. */
const TIME_ROOM = 120;
const TIME_GAP = 4;

/** Stands behind the times. */
const TIME_NAME = { name: 'UTC', nameLocation: 'end', nameGap: 8 } as const;

/** Colours of lines that can be told apart on white and on black. */
const COLOURS = ['#3b82f6', '#f59e0b', '#10b981', '#ef4444', '#a855f7', '#06b6d4', '#ec4899', '#84cc16', '#a16207'];

/** From what counted least to what counted most: away from the colour of the paper. */
const SHADES = ['#d6e9f8', '#5aa9e6', '#1b5e9e', '#0b2545'];
const SHADES_ON_DARK = ['#10304f', '#1b5e9e', '#5aa9e6', '#d6e9f8'];

/** What a chart stands on. */
export interface ChartLook {
  readonly isDark: boolean;
}

/** The height of a panel, in pixels. */
export function panelHeight(panel: Panel): number {
  if (panel.kind === 'lines') return LINE_HEIGHT + panel.lines.length * LEGEND_ROW;
  const shown = countedBuckets(panel);
  return FRAME + BUCKET_ROW * (shown === undefined ? 1 : shown.last - shown.first + 1);
}

/** A panel as the chart library takes it. Labels are in human units, as in the terminal. */
export function chartOption(panel: Panel, { isDark }: ChartLook): EChartsCoreOption {
  return panel.kind === 'lines' ? lineOption(panel) : heatOption(panel, isDark);
}

function lineOption(panel: LinePanel): EChartsCoreOption {
  const values = panel.lines.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []));
  const [min, max] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [0, 0]);
  const axis = valueAxis(min, max, TICKS, panel.scale);
  const text = (raw: number): string => valueText(raw, panel.scale, panel.suffix);
  const bottom = 20 + panel.lines.length * LEGEND_ROW;
  return {
    ...common(panel.title),
    grid: { ...MARGINS, bottom, ...LABELS_INSIDE },
    legend: { orient: 'vertical', left: 12, bottom: 4, itemHeight: 10, textStyle: TEXT },
    tooltip: { trigger: 'axis', valueFormatter: (value: unknown) => (typeof value === 'number' ? text(value) : '-') },
    xAxis: timeAxis(panel),
    yAxis: {
      type: 'value',
      min: axis.min,
      max: axis.max,
      interval:
        axis.ticks.length > 1 ? (axis.ticks[1] as number) - (axis.ticks[0] as number) : 1 / factorOf(panel.scale),
      axisLabel: { formatter: text, ...TEXT },
    },
    series: panel.lines.map(({ label, points }) => ({
      type: 'line',
      name: label,
      showSymbol: points.length < 3,
      sampling: 'lttb',
      connectNulls: false,
      data: points.map(({ atMs, value }) => [atMs, value ?? null]),
    })),
  };
}

function timeAxis(panel: LinePanel): object {
  const span = timeSpan(panel) ?? { startMs: 0, endMs: 0 };
  const ticks = timeTicks(span, TIME_ROOM, TIME_GAP);
  const texts = new Map(ticks.map(({ atMs, text }) => [atMs, text]));
  const customValues = [...texts.keys()];
  return {
    ...{ type: 'value', ...TIME_NAME, min: span.startMs, max: Math.max(span.endMs, span.startMs + 1) },
    splitLine: { show: false },
    axisTick: { customValues },
    axisLabel: { customValues, formatter: (atMs: number) => texts.get(atMs) ?? '', ...TEXT },
    axisPointer: { label: { formatter: ({ value }: { value: number }) => `${timeText(value, true)} UTC` } },
  };
}

function heatOption(panel: HeatPanel, isDark: boolean): EChartsCoreOption {
  const span = timeSpan(panel);
  const shown = countedBuckets(panel);
  if (span === undefined || shown === undefined) return common(`${panel.title}: nothing was counted`);
  const count = Math.min(HEAT_CELLS, Math.max(1, panel.columns.length));
  const cells = heatCells(panel, span, count);
  const cellMs = (span.endMs - span.startMs) / count;
  const times = cells.map((_, cell) => timeText(span.startMs + cellMs * cell, true));
  const texts = new Map(
    timeTicks(span, TIME_ROOM, TIME_GAP).map(({ atMs, text }) => [
      Math.min(count - 1, Math.floor((atMs - span.startMs) / cellMs)),
      text,
    ]),
  );
  const interval = (cell: number): boolean => texts.has(cell);
  const buckets = panel.buckets.slice(shown.first, shown.last + 1);
  const data = cells.flatMap((counts, cell) =>
    buckets.flatMap((_, row) => {
      const counted = counts?.[shown.first + row] ?? 0;
      // The colour is by the logarithm: the rare slow ones are what one looks for.
      return counted > 0 ? [{ value: [cell, row, Math.log1p(counted)], counted }] : [];
    }),
  );
  const most = data.reduce((high, { value }) => Math.max(high, value[2] ?? 0), 0);
  return {
    ...common(panel.title),
    grid: { ...MARGINS, bottom: 24, ...LABELS_INSIDE },
    tooltip: {
      formatter: ({ data, value }: { data: { counted: number }; value: readonly number[] }) =>
        `${times[value[0] ?? 0]} UTC<br>${buckets[value[1] ?? 0]}: ${Number(data.counted.toPrecision(4))}`,
    },
    xAxis: {
      ...{ type: 'category', ...TIME_NAME, data: times },
      axisTick: { interval },
      axisLabel: { interval, formatter: (_: string, cell: number) => texts.get(cell) ?? '', ...TEXT },
    },
    yAxis: { type: 'category', data: buckets, axisLabel: { interval: 0, ...TEXT } },
    visualMap: { show: false, min: 0, max: most, inRange: { color: isDark ? SHADES_ON_DARK : SHADES } },
    series: [{ type: 'heatmap', data }],
  };
}

function common(title: string): EChartsCoreOption {
  return {
    animation: false,
    color: COLOURS,
    backgroundColor: 'transparent',
    title: { text: title, left: 12, top: 8, textStyle: { fontSize: 14, ...TEXT } },
  };
}
