import { createInterface } from 'node:readline';
import { historyPath, readHistory, writeHistory } from '../../host/history-file.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { MonitorShell } from '../monitor/shell.ts';
import { printable } from '../render/text.ts';
import { requireOneDomain } from '../select.ts';
import { type GlobalOptions, type Session, withSession } from '../session.ts';

/** What `monitor` takes. */
export interface MonitorOptions extends GlobalOptions {
  readonly domain?: readonly string[];
}

/** How many lines the history keeps. */
const HISTORY_LIMIT = 500;

const PROMPT = '(virtstat) ';

/** `virtstat monitor`: a prompt that answers as QEMU's human monitor does. Ends with `quit` or the end of the input. */
export function monitor(options: MonitorOptions): Promise<ExitStatus> {
  return withSession(options, async (session) => {
    const { registry, terminal } = session;
    const { domain: domains } = options;
    const read = { signal: terminal.gone, ...(domains && { domains }) };
    const domain = await requireOneDomain(registry, read);
    await talk(new MonitorShell(registry, domain, terminal.gone), session);
    return EXIT.done;
  });
}

/** Answers line by line. A prompt, history and completion are for people: a pipe gets the answers alone. */
async function talk(shell: MonitorShell, { terminal }: Session): Promise<void> {
  const isPrompting = terminal.isInteractive && process.stdin.isTTY === true;
  const path = historyPath();
  const prompt = createInterface({
    input: process.stdin,
    terminal: isPrompting,
    prompt: PROMPT,
    ...(isPrompting && {
      output: process.stdout,
      history: readHistory(path, HISTORY_LIMIT).toReversed(),
      historySize: HISTORY_LIMIT,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
        shell.complete(line).then(
          (result) => done(null, result),
          () => done(null, [[], line]),
        );
      },
    }),
  });
  prompt.on('history', (history) => writeHistory(path, history.toReversed(), HISTORY_LIMIT));
  if (isPrompting) prompt.prompt();
  let hasQuit = false;
  for await (const line of prompt) {
    const { text, quits } = await shell.answer(line);
    terminal.out(isPrompting ? text.split('\n').map(printable).join('\n') : text);
    hasQuit = quits;
    if (quits || terminal.gone.aborted) break;
    if (isPrompting) prompt.prompt();
  }
  prompt.close();
  // Ctrl-C and Ctrl-D leave the cursor behind the prompt.
  if (isPrompting && !hasQuit) terminal.out('\n');
}
