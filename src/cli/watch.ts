import type { StatsFilter } from '../model/filter.ts';
import type { DomainAnswer, SchemaAnswer } from '../registry/answer.ts';
import type { WatchOptions } from '../registry/options.ts';
import { EXIT, type ExitStatus } from './exit.ts';
import type { Frame } from './live/frames.tsx';
import { document } from './render/json.ts';
import { problemsText } from './render/problems-text.ts';
import { queryDocument } from './render/query-document.ts';
import { queryText } from './render/query-text.ts';
import { GrowthTracker, SchemaBook } from './schema-book.ts';
import type { Session } from './session.ts';
import type { Paint } from './terminal.ts';
import { nobodyText, Troubles } from './troubles.ts';

/** How a watch shows what it gets. */
export interface WatchQueryOptions extends WatchOptions {
  /** What is known already; more is asked for when a domain comes that they do not cover. */
  readonly schemas: readonly SchemaAnswer[];
  readonly json: boolean;
  readonly rate: boolean;
}

/**
 * Shows a query again and again until its signal fires: as JSON one document for each sweep on a line of its own; on a
 * terminal drawn again in place; else block after block.
 */
export async function watchQuery(
  session: Session,
  filter: StatsFilter,
  options: WatchQueryOptions,
): Promise<ExitStatus> {
  return showSweeps(session, options, (signal) => sweeps(session, filter, { ...options, ...(signal && { signal }) }));
}

/** What one sweep shows, and what went wrong in it. */
export interface Sweep {
  readonly text: string;
  readonly answers: readonly DomainAnswer<unknown>[];
}

/**
 * Shows sweeps until their signal fires: as JSON, or where nobody looks, one behind the other; on a terminal drawn again in
 * place. `sweep` is given the signal that ends it earlier than its own.
 */
export async function showSweeps(
  { terminal }: Session,
  { json, signal: until }: { readonly json: boolean; readonly signal?: AbortSignal },
  sweep: (signal?: AbortSignal) => AsyncIterable<Sweep>,
): Promise<ExitStatus> {
  if (json || !terminal.isInteractive) {
    let isFirst = true;
    const troubles = new Troubles(terminal, 'shown');
    for await (const { text, answers } of sweep()) {
      if (text !== '') {
        terminal.out(json || isFirst ? text : `\n${text}`);
        isFirst = false;
      }
      troubles.tellAnswers(answers);
    }
    return EXIT.done;
  }
  const { showFrames } = await import('./live/frames.tsx');
  const stop = new AbortController();
  const signal = until === undefined ? stop.signal : AbortSignal.any([until, stop.signal]);
  const frames = screens(sweep(signal), terminal.paint);
  await showFrames(frames, { signal, quit: () => stop.abort(), alternateScreen: false });
  return EXIT.done;
}

async function* sweeps(
  { registry, terminal }: Session,
  filter: StatsFilter,
  options: WatchQueryOptions,
): AsyncGenerator<Sweep> {
  const book = new SchemaBook(options.schemas);
  const tracker = options.rate ? new GrowthTracker() : undefined;
  const read = { signal: options.signal ?? terminal.gone, ...(options.domains && { domains: options.domains }) };
  for await (const answers of registry.watch(filter, options)) {
    if ((!options.json || options.rate) && !book.covers(answers)) {
      book.add(await registry.schemas({ ...read, target: filter.target }));
    }
    const growths = tracker?.update(answers, book);
    const text = options.json
      ? document(queryDocument(answers, growths))
      : queryText(answers, { book, paint: terminal.paint, ...(growths && { growths }) });
    yield { text, answers };
  }
}

/** The sweeps as whole screens: what went wrong stands first, so that long values do not push it out of sight. */
async function* screens(sweeps: AsyncIterable<Sweep>, paint: Paint): AsyncGenerator<Frame> {
  for await (const { text, answers } of sweeps) {
    const nobody = answers.length === 0 ? [nobodyText('shown')] : [];
    const lines = [...nobody, ...problemsText(answers, paint), ...text.trimEnd().split('\n')];
    yield ({ rows }) =>
      lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
  }
}
