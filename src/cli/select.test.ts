import { describe, expect, it } from 'vitest';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Source } from '../model/provider.ts';
import { Registry } from '../registry/registry.ts';
import { answerOf, requireOneDomain, warnErrors } from './select.ts';
import { plainPaint, type Terminal } from './terminal.ts';

const TWINS: readonly Domain[] = [7, 8].map((pid) => ({ id: `${pid}-1`, name: 'twin', uuid: 'u', pid, source: 'a:' }));

function registryOf(domains: readonly Domain[], failure?: string): Registry {
  const there: Source = {
    uri: 'a:',
    scan: async () =>
      domains.map((domain) => ({
        domain,
        providers: async () => [],
        describe: async () => domain,
        availability: async () => [],
      })),
    close: async () => undefined,
  };
  const failing: Source = {
    ...there,
    uri: 'b:',
    scan: () => Promise.reject(new VirtstatError('ACCESS_DENIED', failure ?? '')),
  };
  return new Registry(failure === undefined ? [there] : [failing, there]);
}

describe('the one domain', () => {
  it('of several with one name and uuid is told by its process', async () => {
    const registry = registryOf(TWINS);
    await expect(requireOneDomain(registry, { domains: ['twin'] })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('twin (process 7), twin (process 8)'),
    });
    expect(await requireOneDomain(registry, { domains: ['8'] })).toMatchObject({ pid: 8 });
  });

  it('of very many is asked for in a line that names some', async () => {
    const crowd = (count: number): Registry =>
      registryOf(Array.from({ length: count }, (_, pid) => ({ id: `${pid}-1`, name: `n${pid}`, pid, source: 'a:' })));
    await expect(requireOneDomain(crowd(10), {})).rejects.toMatchObject({
      message: expect.stringContaining('n8, n9; '),
    });
    await expect(requireOneDomain(crowd(12), {})).rejects.toMatchObject({
      message: expect.stringContaining('n8, n9 and 2 more; '),
    });
  });

  it('is found beside a source that fails, and is not mistaken for it', async () => {
    const registry = registryOf(TWINS.slice(0, 1), 'b: is closed');
    const domain = await requireOneDomain(registry, {});
    expect(domain).toMatchObject({ pid: 7 });
    const answers = await registry.list();
    expect(answers.map(({ errors }) => errors.length)).toEqual([1, 0]);
    expect(answerOf(domain, answers).domain).toMatchObject({ pid: 7 });
    expect(() => answerOf({ ...domain, id: 'other' }, answers)).toThrow(
      expect.objectContaining({ code: 'DOMAIN_GONE' }),
    );
  });

  it('is missing because of what failed, or because there is none', async () => {
    await expect(requireOneDomain(registryOf([], 'b: is closed'), {})).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(requireOneDomain(registryOf([]), {})).rejects.toMatchObject({ code: 'NOTHING_MATCHED' });
  });
});

it('what went wrong is said with what tells the domain apart', () => {
  const said: string[] = [];
  const terminal: Terminal = {
    isInteractive: false,
    size: undefined,
    paint: plainPaint,
    gone: new AbortController().signal,
    out: () => undefined,
    warn: (message) => said.push(message),
  };
  const [seven, eight] = TWINS as [Domain, Domain];
  const errors = [new VirtstatError('TIMEOUT', 'no answer')];
  warnErrors(
    [
      { domain: seven, items: [], errors },
      { domain: eight, items: [], errors },
    ],
    terminal,
  );
  expect(said).toEqual(['twin (process 7): no answer', 'twin (process 8): no answer']);
});
