import { expect, it } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import { plainPaint, type Terminal } from './terminal.ts';
import { Troubles } from './troubles.ts';

const domain = { id: 'd', name: 'web-1', source: 'test:' };
const good = [{ domain, items: [], errors: [] }];
const busy = [{ domain, items: [], errors: [new VirtstatError('MONITOR_BUSY', 'somebody else is there')] }];

it('are said when they begin, and again when they come back', () => {
  const said: string[] = [];
  const terminal: Terminal = {
    isInteractive: false,
    size: undefined,
    paint: plainPaint,
    gone: new AbortController().signal,
    out: () => undefined,
    warn: (message) => said.push(message),
  };
  let clears = 0;
  const troubles = new Troubles(terminal, 'recorded', () => clears++);
  for (const answers of [good, busy, busy, [], [], good, [], busy]) troubles.tellAnswers(answers);
  const nobody = 'no domain that was asked for is there any more; one that comes is recorded';
  expect(said).toEqual(['web-1: somebody else is there', nobody, nobody, 'web-1: somebody else is there']);
  expect(clears).toBe(4);
});
