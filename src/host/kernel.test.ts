import { describe, expect, it } from 'vitest';
import { kernelObjection, parseKernelRelease } from './kernel.ts';

function codeFor(release: string, env: Readonly<Record<string, string>> = {}): string | undefined {
  return kernelObjection({ release, env })?.code;
}

describe('the kernel gate', () => {
  it.each(['5.15.124', '5.15.200-generic', '6.1.43', '6.1.99-18-amd64', '6.4.8', '6.5', '6.18.44-x', '7.2.13'])(
    'lets %s pass',
    (release) => {
      expect(codeFor(release)).toBeUndefined();
    },
  );

  it.each([
    '5.14.0',
    '5.14.21',
    '5.15.0',
    '5.15.123-generic',
    '5.16.0',
    '5.19.17',
    '6.0.19',
    '6.1.42',
    '6.2.0',
    '6.3.13',
    '6.4.7',
  ])('stops %s', (release) => {
    expect(codeFor(release)).toBe('KERNEL_UNSAFE');
    expect(codeFor(release, { VIRTSTAT_TRUST_KERNEL: '0' })).toBe('KERNEL_UNSAFE');
    expect(codeFor(release, { VIRTSTAT_TRUST_KERNEL: '1' })).toBeUndefined();
  });

  it.each(['5.13.19', '4.18.0', 'unknown'])('says that %s has no stats files', (release) => {
    expect(codeFor(release)).toBe('PLATFORM_UNSUPPORTED');
  });
});

it.each([
  ['6.18.44-cloud-amd64', [6, 18, 44]],
  ['6.5-rc1', [6, 5, 0]],
  ['5.15', [5, 15, 0]],
  ['v6.1', undefined],
])('parses %s', (text, version) => {
  expect(parseKernelRelease(text)).toStrictEqual(version);
});
