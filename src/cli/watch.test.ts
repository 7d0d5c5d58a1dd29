import { expect, it } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import { Registry } from '../registry/registry.ts';
import { plainPaint, type Terminal } from './terminal.ts';
import { type Sweep, showSweeps } from './watch.ts';

const domain = { id: 'd', name: 'web-1', source: 'test:' };
const NOBODY = 'no domain that was asked for is there any more; one that comes is shown';

async function shown(json: boolean, sweeps: readonly Sweep[]): Promise<readonly string[]> {
  const lines: string[] = [];
  const terminal: Terminal = {
    isInteractive: false,
    size: undefined,
    paint: plainPaint,
    gone: new AbortController().signal,
    out: (text) => lines.push(text),
    warn: (message) => lines.push(`! ${message}`),
  };
  await showSweeps({ registry: new Registry([]), terminal }, { json }, async function* () {
    yield* sweeps;
  });
  return lines;
}

const good: Sweep = { text: 'web-1\n', answers: [{ domain, items: [], errors: [] }] };
const late: Sweep = {
  text: '',
  answers: [{ domain, items: [], errors: [new VirtstatError('TIMEOUT', 'web-1 gave no answer')] }],
};
const nobody: Sweep = { text: '', answers: [] };

it('a watch says what goes wrong when it begins, and prints nothing for a sweep without values', async () => {
  expect(await shown(false, [good, late, late, good, late])).toEqual([
    'web-1\n',
    '! web-1 gave no answer',
    '\nweb-1\n',
    '! web-1 gave no answer',
  ]);
});

it('a watch says once that nobody is left, and goes on', async () => {
  const lines = ['web-1\n', `! ${NOBODY}`, '\nweb-1\n', `! ${NOBODY}`];
  expect(await shown(false, [good, nobody, nobody, good, nobody])).toEqual(lines);
});

it('a watch as JSON has a document for each sweep', async () => {
  const empty = { ...nobody, text: '[]\n' };
  expect(await shown(true, [empty, empty])).toEqual(['[]\n', `! ${NOBODY}`, '[]\n']);
});
