import { expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { plainPaint } from '../terminal.ts';
import { problemsText } from './problems-text.ts';

it('what a monitor says of a failure is one line that steers no terminal', () => {
  const domain = { id: 'a', name: 'web\u001b[2J', source: 'local:' };
  const errors = [new VirtstatError('PROVIDER_FAILED', 'no\n\u001b]0;title\u0007')];
  expect(problemsText([{ domain, errors }], plainPaint)).toEqual(['web\\x1b[2J: no\\x0a\\x1b]0;title\\x07']);
});
