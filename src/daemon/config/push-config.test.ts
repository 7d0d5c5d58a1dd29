import { describe, expect, it } from 'vitest';
import { otlpTables, pushConfigs, remoteWriteTables } from './push-config.ts';

const endpoint = 'https://mimir.example:9009/api/v1/push';

/** What is wrong with tables of remote write, by place and reason. */
function wrong(...tables: readonly object[]): readonly string[] {
  const result = remoteWriteTables.safeParse(tables);
  return result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('a push', () => {
  it('takes an endpoint, and has defaults for the rest', () => {
    expect(pushConfigs(otlpTables.parse([{ endpoint }]), remoteWriteTables.parse([]))).toEqual([
      {
        protocol: 'otlp',
        name: 'mimir.example_9009',
        url: endpoint,
        everyMs: 15_000,
        timeoutMs: 10_000,
        profile: 'curated',
        domains: ['*'],
        deny: [],
        headers: {},
        headerFiles: {},
        queueBytes: 2 ** 28,
        labels: {},
        histograms: 'explicit',
        maxSeries: Number.POSITIVE_INFINITY,
      },
    ]);
  });

  it('takes every key', () => {
    const table = {
      endpoint,
      name: 'mimir',
      every: '1s',
      timeout: '2s',
      profile: 'full',
      domains: ['web-*'],
      allow: ['kvm_*'],
      deny: ['*_hist*'],
      headers: { 'X-Scope-OrgID': 'vms' },
      'header-files': { 'X-Key': '/k' },
      username: 'u',
      'password-file': '/p',
      'ca-file': '/ca',
      'cert-file': '/c',
      'key-file': '/ck',
      'queue-directory': '/q',
      'queue-size': '1GiB',
      'max-series': 7,
      labels: { site: 'fra1' },
    };
    expect(pushConfigs([], remoteWriteTables.parse([table]))).toMatchObject([
      {
        protocol: 'remote-write',
        name: 'mimir',
        everyMs: 1000,
        headers: { 'X-Scope-OrgID': 'vms' },
        headerFiles: { 'X-Key': '/k' },
        username: 'u',
        passwordFile: '/p',
        caFile: '/ca',
        certFile: '/c',
        keyFile: '/ck',
        queueDirectory: '/q',
        queueBytes: 2 ** 30,
        maxSeries: 7,
        labels: { site: 'fra1' },
        allow: ['kvm_*'],
        deny: ['*_hist*'],
      },
    ]);
  });

  it.each([
    [{}, 'endpoint: must be an http:// or https:// URL'],
    [{ endpoint: 'ftp://x/' }, 'endpoint: "ftp://x/" is not right'],
    [{ endpoint: 'http://u:secret@x/' }, 'endpoint: "http://…@x/" is not right'],
    [{ endpoint, 'queue-size': '1KiB' }, 'queue-size: "1KiB" is not right; it must be a size from 1MiB to 1TiB'],
    [{ endpoint, 'queue-size': 9 }, 'queue-size: must be a size'],
    [{ endpoint, every: '10ms' }, 'every: "10ms" is out of bounds'],
    [{ endpoint, 'cert-file': '/c' }, 'cert-file: is right only with key-file'],
    [{ endpoint, 'password-file': '/c' }, 'password-file: is right only with username'],
    [{ endpoint, username: 'u', 'bearer-token-file': '/t' }, 'username: and bearer-token-file are two ways'],
    [{ endpoint, headers: { 'Content-Type': 'x' } }, 'headers: name one that the protocol sets itself'],
    [{ endpoint, headers: { 'X-A': 'two\nlines' } }, 'headers.X-A: "two\\nlines" is not right'],
    [{ endpoint, labels: { Site: 'x' } }, 'labels.Site: must be lower-case letters'],
    [{ endpoint, name: '../x' }, 'name: "../x" is not right'],
  ])('is refused as %j', (table, start) => {
    const [first = ''] = wrong(table);
    expect(first.slice(0, start.length + 2)).toBe(`0.${start}`);
  });

  it('has a name of its own', () => {
    expect(wrong({ endpoint }, { endpoint })[0]).toContain('1.name: two pushes are named "mimir.example_9009"');
    expect(wrong({ endpoint }, { endpoint, name: 'other' })).toEqual([]);
  });
});
