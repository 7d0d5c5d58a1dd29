import { setTimeout as delay } from 'node:timers/promises';
import { nextTurnMs } from '../../host/turn.ts';
import { VirtstatError } from '../../model/errors.ts';
import { DEFAULT_INTERVAL_MS } from '../arguments.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { type GlobalOptions, type Session, untilStopped, withSession } from '../session.ts';
import { plainPaint } from '../terminal.ts';
import { areAllPresets, type Column, DEFAULT_COLUMNS, parseColumns } from '../top/columns.ts';
import { TopData } from '../top/data.ts';
import { NAME } from '../top/domain-tables.ts';
import { TopFeed } from '../top/feed.ts';
import { batchLines } from '../top/screen.ts';
import { TopSession } from '../top/session.ts';
import { firstState } from '../top/state.ts';
import { isPattern } from '../top/table.ts';

/** What `top` takes. */
export interface TopOptions extends GlobalOptions {
  readonly domain?: readonly string[];
  /** Comma-separated; {@link DEFAULT_COLUMNS} if absent. */
  readonly columns?: string;
  /** What to sort by: a column of these, or the name. */
  readonly sort?: string;
  /** Only domains whose name, uuid or process id fits this regular expression. */
  readonly filter?: string;
  /** From one refresh to the next, in milliseconds. */
  readonly intervalMs?: number;
  /** Plain frames one behind the other, without a terminal. */
  readonly batch?: boolean;
  /** How many refreshes; absent: until somebody stops it. */
  readonly iterations?: number;
}

/** `virtstat top`: all domains live, on a terminal or as plain frames for scripts. */
export function top(options: TopOptions): Promise<ExitStatus> {
  return withSession(options, async (session) => {
    const { registry, terminal } = session;
    requireTerminal(options, session);
    const stop = new AbortController();
    const signal = AbortSignal.any([untilStopped(terminal), stop.signal]);
    try {
      const { domain: domains, iterations } = options;
      await registry.find({ signal, ...(domains && { domains }) });
      const data = new TopData();
      const state = firstState({
        columns: await columnsOf(options, session, data, signal),
        intervalMs: options.intervalMs ?? DEFAULT_INTERVAL_MS,
        ...(options.filter !== undefined && { filter: options.filter }),
        ...(options.sort !== undefined && { sort: options.sort }),
      });
      const feed = new TopFeed({ registry, data, domains, signal });
      const paint = options.batch ? plainPaint : terminal.paint;
      const run = new TopSession({
        ...{ state, data, feed, signal, paint },
        ...(iterations !== undefined && { iterations }),
      });
      if (options.batch) return await printFrames(run, options, session, signal);
      const { showFrames } = await import('../live/frames.tsx');
      await showFrames(run.frames(), {
        signal,
        quit: () => stop.abort(),
        press: (key, size) => run.press(key, size),
        alternateScreen: true,
      });
      return EXIT.done;
    } catch (error) {
      // Whoever stopped it got what they wanted.
      const isEnd = VirtstatError.is(error) || (error instanceof Error && error.name === 'AbortError');
      if (isEnd && signal.aborted && !terminal.gone.aborted) return EXIT.done;
      throw error;
    }
  });
}

/** A frame for each look but the first, which has nothing to compare with. */
async function printFrames(
  run: TopSession,
  { iterations = Number.POSITIVE_INFINITY }: TopOptions,
  { terminal }: Session,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const { intervalMs } = run.state;
  let dueMs = performance.now();
  await run.look();
  for (let count = 0; count < iterations; count++) {
    dueMs = nextTurnMs(dueMs, intervalMs);
    await delay(dueMs - performance.now(), undefined, { signal });
    await run.look();
    terminal.out(`${count === 0 ? '' : '\n'}${batchLines(run.state, run.screen).join('\n')}\n`);
  }
  return EXIT.done;
}

function requireTerminal({ batch, filter }: TopOptions, { terminal }: Session): void {
  if (filter !== undefined && !isPattern(filter)) {
    throw new VirtstatError('USAGE', `--filter ${JSON.stringify(filter)} is no regular expression`);
  }
  if (batch || terminal.isInteractive) return;
  const hint = 'use --batch -n COUNT for plain text, or `virtstat query TARGET --watch --json` for a program';
  throw new VirtstatError('USAGE', `top draws on a terminal, and its output goes elsewhere; ${hint}`);
}

/** The columns that were asked for. Names of stats are checked against what the domains can measure. */
async function columnsOf(
  { columns = DEFAULT_COLUMNS, sort, domain: domains }: TopOptions,
  { registry }: Session,
  data: TopData,
  signal: AbortSignal,
): Promise<readonly Column[]> {
  if (!areAllPresets(columns)) data.learn(await registry.schemas({ signal, ...(domains && { domains }) }));
  const chosen = parseColumns(columns, data.offers);
  if (sort === undefined || sort === NAME || chosen.some(({ id }) => id === sort)) return chosen;
  const known = [NAME, ...chosen.map(({ id }) => id)].join(', ');
  throw new VirtstatError('USAGE', `--sort ${JSON.stringify(sort)} is none of the columns, which are ${known}`);
}
