import { expect, it } from 'vitest';
import { domainNames } from './domain-names.ts';

const domains = [
  { id: '7-1', name: 'twin', pid: 7, source: 'local:' },
  { id: 'qmp+unix:/twin', name: 'twin', source: 'qmp+unix:/twin' },
  { id: '8-1', name: 'single', pid: 8, source: 'local:' },
] as const;

it('domains that share a name are told apart, others are just named', () => {
  const names = domainNames([...domains, domains[2]]);
  expect(domains.map(names)).toEqual(['twin (process 7)', 'twin (qmp+unix:/twin)', 'single']);
});
