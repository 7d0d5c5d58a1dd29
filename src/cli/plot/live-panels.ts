import { pause } from '../../host/pause.ts';
import { nextTurnMs } from '../../host/turn.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import type { ReadOptions } from '../../registry/options.ts';
import { type StatWord, selectStats } from '../../registry/selection.ts';
import { domainNames } from '../domain-names.ts';
import { requireKnown } from '../known-stats.ts';
import { SchemaBook } from '../schema-book.ts';
import type { Session } from '../session.ts';
import { LiveSeries } from './live-series.ts';
import { meantBy, withBoundaries } from './meant.ts';
import type { Panel } from './panel.ts';
import { type Objects, panelsOf } from './panels.ts';

/** How values are collected for a picture. */
export interface LiveOptions extends ReadOptions {
  readonly signal: AbortSignal;
  /** From the start of one sweep to the start of the next, in milliseconds. */
  readonly intervalMs: number;
  /** How long, in milliseconds; absent: until the signal fires. */
  readonly durationMs?: number;
  readonly objects?: Objects;
}

/** What a picture shows after a sweep. */
export interface LivePicture {
  readonly panels: readonly Panel[];
  readonly answers: readonly SampleAnswer[];
  /** How long it has been going on, in milliseconds. */
  readonly elapsedMs: number;
}

/**
 * The pictures of some stats as they grow, sweep by sweep.
 * @throws what {@link requireKnown} throws
 */
export async function* livePanels(
  { registry }: Pick<Session, 'registry'>,
  words: readonly StatWord[],
  options: LiveOptions,
): AsyncGenerator<LivePicture, void, void> {
  const { signal, intervalMs, durationMs = Number.POSITIVE_INFINITY, objects, domains } = options;
  const read = { signal, ...(domains && { domains }) };
  const schemas = await requireKnown(registry, words, read);
  const known = schemas.flatMap(({ items }) => items);
  const filters = withBoundaries(selectStats(words, known).filters, known);
  const book = new SchemaBook(schemas);
  const series = new LiveSeries(meantBy(words));
  const startMs = performance.now();
  for (let dueMs = startMs; !signal.aborted; ) {
    const answers = (await Promise.all(filters.map((filter) => registry.query(filter, read)))).flat();
    if (!book.covers(answers)) book.add(await registry.schemas(read));
    series.add(answers, book);
    const elapsedMs = performance.now() - startMs;
    const nameOf = domainNames(answers.map(({ domain }) => domain));
    yield { panels: panelsOf(series.series(nameOf), objects), answers, elapsedMs };
    if (elapsedMs >= durationMs) return;
    dueMs = nextTurnMs(dueMs, intervalMs);
    await pause(dueMs - performance.now(), signal);
  }
}
