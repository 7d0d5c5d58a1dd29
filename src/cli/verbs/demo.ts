import { Registry } from '../../registry/registry.ts';
import { DEFAULT_INTERVAL_MS } from '../arguments.ts';
import type { VmKind } from '../demo/choose.ts';
import { startDemo } from '../demo/demo.ts';
import { whenParentGone } from '../demo/parent.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { boardLines } from '../live/board-text.ts';
import { liveBoards, showLive } from '../live/live.ts';
import { type GlobalOptions, untilStopped } from '../session.ts';
import { openTerminal, type Terminal } from '../terminal.ts';

/** How many samples a demo shows where nobody watches. */
const SAMPLES = 3;

/** The room that a demo takes where there is no terminal. */
const PAGE = { columns: 120, rows: 40 };

/** What `virtstat demo` takes. */
export interface DemoArguments extends GlobalOptions {
  /** Which VMs; absent: the best that the machine can run. */
  readonly vms?: VmKind;
}

/** `virtstat demo`: starts VMs, shows them live, and ends them. */
export async function demo(options: DemoArguments): Promise<ExitStatus> {
  const terminal = openTerminal();
  const signal = AbortSignal.any([untilStopped(terminal), whenParentGone()]);
  try {
    await using vms = await startDemo({ signal, ...(options.vms !== undefined && { vms: options.vms }) });
    const registry = new Registry(vms.sources, options.timeout === undefined ? {} : { deadlineMs: options.timeout });
    const title = `virtstat demo: ${vms.description}`;
    if (terminal.isInteractive) {
      await showLive({ registry, title, intervalMs: DEFAULT_INTERVAL_MS, signal, paint: terminal.paint });
    } else await showSamples(registry, title, terminal, signal);
    await registry.close();
    return EXIT.done;
  } catch (error) {
    // Whoever ended the demo got what they wanted.
    if (signal.aborted) return EXIT.done;
    throw error;
  }
}

async function showSamples(registry: Registry, title: string, terminal: Terminal, signal: AbortSignal): Promise<void> {
  let count = 0;
  for await (const board of liveBoards({ registry, intervalMs: DEFAULT_INTERVAL_MS, signal })) {
    // The first sweep has nothing to compare with yet.
    if (count > 0)
      terminal.out(
        `${boardLines(board, `${title}, sample ${count} of ${SAMPLES}`, PAGE, terminal.paint).join('\n')}\n\n`,
      );
    if (++count > SAMPLES) return;
  }
}
