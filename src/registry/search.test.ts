import { expect, it } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import type { DomainTwin, FoundDomain, Source } from '../model/provider.ts';
import { Search } from './search.ts';

function found(source: string, name: string, uuid: string, twin?: DomainTwin): FoundDomain {
  const domain = { id: `${source}${name}`, name, uuid, source };
  return {
    domain,
    ...(twin && { twin }),
    providers: async () => [],
    describe: async () => domain,
    availability: async () => [],
  };
}

function sourceOf(uri: string, scan: Source['scan']): Source {
  return { uri, scan, close: async () => undefined };
}

async function namesFrom(...sources: readonly Source[]): Promise<readonly string[]> {
  const closing = new AbortController().signal;
  const search = new Search(sources, { deadlineMs: 1000, closing, whenDone: () => undefined });
  const results = await search.results(closing);
  return results.map((result) => ('domain' in result ? result.domain.id : `no ${result.source}`));
}

it('has a VM once that two sources have, where one says that the other’s is the same', async () => {
  const local = sourceOf('a:', async () => [found('a:', 'web', '0a'), found('a:', 'db', '0b')]);
  const other = sourceOf('b:', async () => [
    found('b:', 'web', '0A', { source: 'a:', name: 'web', uuid: '0A' }),
    // Another VM of the same name, and one that nobody else has.
    found('b:', 'db', '0c', { source: 'a:', name: 'db', uuid: '0c' }),
    found('b:', 'mail', '0d', { source: 'a:', name: 'mail', uuid: '0d' }),
  ]);
  expect(await namesFrom(other, local)).toEqual(['b:db', 'b:mail', 'a:web', 'a:db']);
  expect(await namesFrom(other)).toEqual(['b:web', 'b:db', 'b:mail']);
  const failing = sourceOf('a:', () => Promise.reject(new VirtstatError('ACCESS_DENIED', 'no')));
  expect(await namesFrom(other, failing)).toEqual(['b:web', 'b:db', 'b:mail', 'no a:']);
});
