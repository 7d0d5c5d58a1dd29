import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from '../../registry/registry.ts';
import { clip } from '../render/text.ts';
import { SchemaBook } from '../schema-book.ts';
import type { Paint } from '../terminal.ts';
import { Board } from './board.ts';
import { boardLines } from './board-text.ts';
import type { Frame } from './frames.tsx';

/** The targets that come first, where a domain has them. */
const FIRST_TARGETS: readonly string[] = ['vcpu', 'vm'];

/** Stands behind the title. */
const QUIT_HINT = '  (q quits)';

/** How a live table is shown. */
export interface LiveOptions {
  readonly registry: Registry;
  /** Stands in the first line. */
  readonly title: string;
  /** From the end of one sweep to the start of the next, in milliseconds. */
  readonly intervalMs: number;
  /** Ends the show. */
  readonly signal: AbortSignal;
  readonly paint: Paint;
}

/**
 * Shows every target of every domain live, as a table of what moves, until the signal fires or `q` or Ctrl-C is pressed; the
 * terminal then shows what it did before. A domain that fails stays with its last values, their age and the reason.
 */
export async function showLive(options: LiveOptions): Promise<void> {
  const { showFrames } = await import('./frames.tsx');
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const frames = liveFrames({ ...options, signal });
  await showFrames(frames, { signal, quit: () => stop.abort(), alternateScreen: true });
}

async function* liveFrames(options: LiveOptions): AsyncGenerator<Frame> {
  for await (const board of liveBoards(options)) {
    yield (size) => {
      // What leads out must be seen also where the title is cut.
      const title = `${clip(options.title, size.columns - QUIT_HINT.length)}${QUIT_HINT}`;
      return boardLines(board, title, size, options.paint);
    };
  }
}

/** The board after each sweep; always the same object. */
export async function* liveBoards({
  registry,
  intervalMs,
  signal,
}: Pick<LiveOptions, 'registry' | 'intervalMs' | 'signal'>): AsyncGenerator<Board, void, void> {
  const board = new Board();
  const book = new SchemaBook();
  let targets: readonly string[] = [];
  while (!signal.aborted) {
    if (targets.length === 0) targets = await learnTargets(registry, book, signal);
    // Where nothing is known yet, the errors of the first targets say why.
    for (const target of targets.length === 0 ? FIRST_TARGETS : targets) {
      const answers = await registry.query({ target }, { signal });
      if (!book.covers(answers)) book.add(await registry.schemas({ target, signal }));
      board.update(target, answers, book);
    }
    yield board;
    await delay(intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** The targets of all domains, the first ones first. */
async function learnTargets(registry: Registry, book: SchemaBook, signal: AbortSignal): Promise<readonly string[]> {
  const schemas = await registry.schemas({ signal });
  book.add(schemas);
  const found = [...new Set(schemas.flatMap(({ items }) => items.map(({ target }) => target)))];
  const rank = (target: string): number => FIRST_TARGETS.indexOf(target) + 1 || FIRST_TARGETS.length + 1;
  return found.sort((a, b) => rank(a) - rank(b));
}
