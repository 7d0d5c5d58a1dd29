import { partsOf } from '../../history/segments.ts';
import { exists } from '../../host/files.ts';
import { VirtstatError } from '../../model/errors.ts';
import { parseStatWord } from '../../registry/selection.ts';
import { EXIT, type ExitStatus, statusOfAnswers } from '../exit.ts';
import { livePanels } from '../plot/live-panels.ts';
import { metricPanel } from '../plot/metric-panels.ts';
import { giveOut, type Outlet, screenLines } from '../plot/outlet.ts';
import type { Panel } from '../plot/panel.ts';
import type { Objects } from '../plot/panels.ts';
import { recordedPanels } from '../plot/recorded-panels.ts';
import { openProgressLine } from '../progress-line.ts';
import { problemsText } from '../render/problems-text.ts';
import { type GlobalOptions, type Session, untilStopped, withSession } from '../session.ts';
import { openTerminal, type Terminal } from '../terminal.ts';
import { Troubles } from '../troubles.ts';

/** How long values are collected where nobody looks and nobody said, in milliseconds. */
const UNSEEN_DURATION_MS = 30_000;

/** How far back a server is asked where nobody said, in milliseconds. */
const SERVER_SINCE_MS = 3_600_000;

/** Values of a series that a server is asked for: about as many as a picture has columns. */
const SERVER_POINTS = 240;

/** The shortest step that a server is asked for, in milliseconds. */
const MIN_STEP_MS = 1000;

/** What `plot` takes. */
export interface PlotVerbOptions extends GlobalOptions, Outlet {
  /** A recording, a source's URI, or the address of a Prometheus-compatible server; else the first of the stats. */
  readonly from: string;
  readonly stats: readonly string[];
  readonly domain?: readonly string[];
  /** Only the last of it, in milliseconds. */
  readonly sinceMs?: number;
  /** Of a live plot: how long it goes on, in milliseconds. */
  readonly durationMs?: number;
  /** Of a live plot: from sweep to sweep, in milliseconds. */
  readonly intervalMs?: number;
  readonly objects?: Objects;
}

/** `virtstat plot`: stats over time, from a recording, a source that is read meanwhile, or a server. */
export async function plot(options: PlotVerbOptions): Promise<ExitStatus> {
  const { from, stats } = options;
  if (/^https?:\/\//i.test(from)) return plotServer(new URL(from), required(stats, 'its own page'), options);
  const recording = from.startsWith('replay:') ? from.slice('replay:'.length) : from;
  const isRecording = recording !== from || exists(from) || exists(partsOf(from));
  if (isRecording)
    return plotRecording(recording, required(stats, `\`virtstat -c replay:${recording} schemas\``), options);
  if (/^[a-z][a-z0-9+.-]*:/i.test(from))
    return plotLive({ ...options, connect: [from] }, required(stats, `\`virtstat -c ${from} schemas\``));
  if (/[/.]/.test(from) && !/^[\w-]+\/[\w-]+$/.test(from)) {
    throw new VirtstatError('PATH_NOT_FOUND', `there is no recording ${from}; check the path`);
  }
  return plotLive(options, [from, ...stats]);
}

/** `list` is where their names stand. @throws USAGE where no stat is named */
function required(stats: readonly string[], list: string): readonly string[] {
  if (stats.length > 0) return stats;
  throw new VirtstatError('USAGE', `name the stats that are to be shown; ${list} lists them`);
}

async function plotRecording(path: string, words: readonly string[], options: PlotVerbOptions): Promise<ExitStatus> {
  const terminal = openTerminal();
  const panels = await recordedPanels(path, words.map(parseStatWord), {
    ...options,
    signal: untilStopped(terminal),
    onUnusable: ({ message }) => terminal.warn(message),
  });
  return finish(panels, path, options, terminal);
}

async function plotServer(base: URL, queries: readonly string[], options: PlotVerbOptions): Promise<ExitStatus> {
  const terminal = openTerminal();
  const signal = untilStopped(terminal);
  const endMs = Date.now();
  const startMs = endMs - (options.sinceMs ?? SERVER_SINCE_MS);
  const stepMs = Math.max(MIN_STEP_MS, Math.ceil((endMs - startMs) / SERVER_POINTS / 1000) * 1000);
  const range = { startMs, endMs, stepMs };
  const panels = await Promise.all(queries.map((query) => metricPanel(base, query, range, { signal })));
  return finish(panels, base.host, options, terminal);
}

async function finish(
  panels: readonly Panel[],
  from: string,
  options: PlotVerbOptions,
  terminal: Terminal,
): Promise<ExitStatus> {
  const isEmpty = panels.every((panel) => (panel.kind === 'lines' ? panel.lines : panel.columns).length === 0);
  if (isEmpty) throw new VirtstatError('NOTHING_MATCHED', `${from} has no values of ${options.stats.join(', ')}`);
  await giveOut(panels, `${options.stats.join(', ')}: ${from}`, options, terminal);
  return EXIT.done;
}

function plotLive(options: PlotVerbOptions, words: readonly string[]): Promise<ExitStatus> {
  return withSession(options, async (session) => {
    const { terminal } = session;
    const isSeen = terminal.isInteractive && options.svg === undefined && options.html === undefined;
    const durationMs = options.durationMs ?? (isSeen ? undefined : UNSEEN_DURATION_MS);
    const pictures = (signal: AbortSignal) =>
      livePanels(session, words.map(parseStatWord), {
        signal,
        intervalMs: options.intervalMs ?? 1000,
        ...(durationMs !== undefined && { durationMs }),
        ...(options.objects && { objects: options.objects }),
        ...(options.domain && { domains: options.domain }),
      });
    return isSeen
      ? watch(session, pictures)
      : collect(session, pictures, { ...options, durationMs: durationMs ?? UNSEEN_DURATION_MS, words });
  });
}

/** Draws the picture again after every sweep, until it ends or somebody has seen enough; the last one stays. */
async function watch(
  { terminal }: Session,
  pictures: (signal: AbortSignal) => ReturnType<typeof livePanels>,
): Promise<ExitStatus> {
  const { showFrames } = await import('../live/frames.tsx');
  const stop = new AbortController();
  const signal = AbortSignal.any([untilStopped(terminal), stop.signal]);
  let status: ExitStatus = EXIT.done;
  async function* frames() {
    for await (const { panels, answers } of pictures(signal)) {
      status = statusOfAnswers(answers);
      const problems = problemsText(answers, terminal.paint);
      yield (size: { readonly columns: number; readonly rows: number }) => {
        const shown = problems.slice(0, Math.floor(size.rows / 4));
        return [...shown, ...screenLines(panels, { ...size, rows: size.rows - shown.length }, terminal.paint)];
      };
    }
  }
  await showFrames(frames(), { signal, quit: () => stop.abort(), alternateScreen: false });
  return status;
}

/** Collects first, with a line that says how far it is, and gives out then; also what there is when somebody stops it. */
async function collect(
  { terminal }: Session,
  pictures: (signal: AbortSignal) => ReturnType<typeof livePanels>,
  options: PlotVerbOptions & { readonly durationMs: number; readonly words: readonly string[] },
): Promise<ExitStatus> {
  const line = openProgressLine();
  const troubles = new Troubles(terminal, 'shown', () => line.clear());
  let panels: readonly Panel[] = [];
  let status: ExitStatus = EXIT.nothingMatched;
  for await (const { panels: grown, answers, elapsedMs } of pictures(untilStopped(terminal))) {
    panels = grown;
    status = statusOfAnswers(answers);
    troubles.tellAnswers(answers);
    line.show(`collecting: ${seconds(elapsedMs)} of ${seconds(options.durationMs)}; Ctrl-C shows what there is`);
  }
  line.clear();
  await giveOut(panels, options.words.join(', '), options, terminal);
  return status;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
