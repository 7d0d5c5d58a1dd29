import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import type { Schema } from '../model/stat.ts';
import { parseStatWord, selectStats } from './selection.ts';

function schema(provider: string, target: string, names: readonly string[]): Schema {
  return { provider, target, stats: names.map((name) => ({ name, type: 'cumulative', exponent: 0 })) };
}

const SCHEMAS = [
  schema('kvm', 'vm', ['remote_tlb_flush', 'pages']),
  schema('kvm', 'vcpu', ['exits', 'halt_poll_fail_ns']),
  schema('process', 'vcpu', ['cpu_time', 'exits']),
];

function select(...words: readonly string[]) {
  return selectStats(words.map(parseStatWord), SCHEMAS);
}

describe('words for stats', () => {
  it('find a name in every target and provider that has it', () => {
    expect(select('exits', 'pages').filters).toEqual([
      {
        target: 'vcpu',
        providers: [
          { provider: 'kvm', names: ['exits'] },
          { provider: 'process', names: ['exits'] },
        ],
      },
      { target: 'vm', providers: [{ provider: 'kvm', names: ['pages'] }] },
    ]);
  });

  it('find it in one target, of one provider', () => {
    const only = { target: 'vcpu', providers: [{ provider: 'kvm', names: ['exits'] }] };
    expect(select('kvm:exits').filters).toEqual([only]);
    expect(select('kvm:vcpu/exits').filters).toEqual([only]);
    expect(select('vcpu/cpu_time').filters).toEqual([
      { target: 'vcpu', providers: [{ provider: 'process', names: ['cpu_time'] }] },
    ]);
  });

  it('take everything, also what comes later', () => {
    expect(select('*').filters).toEqual([{ target: 'vm' }, { target: 'vcpu' }]);
    expect(select('vcpu/*', 'pages').filters).toEqual([
      { target: 'vcpu' },
      { target: 'vm', providers: [{ provider: 'kvm', names: ['pages'] }] },
    ]);
    expect(select('kvm:*', 'kvm:exits').filters).toEqual([
      { target: 'vm', providers: [{ provider: 'kvm' }] },
      { target: 'vcpu', providers: [{ provider: 'kvm' }] },
    ]);
  });

  it('say what nobody knows, with the nearest', () => {
    expect(select('exists', 'pages').unknown.map(({ code, message }) => [code, message])).toEqual([
      ['UNKNOWN_STAT', expect.stringMatching(/no stat is named "exists"; did you mean exits\?/)],
    ]);
    expect(select('vcpus/exits').unknown[0]).toMatchObject({ code: 'UNKNOWN_TARGET' });
    expect(select('kwm:exits').unknown[0]).toMatchObject({ code: 'UNKNOWN_PROVIDER' });
    expect(select('vm/exits').unknown[0]).toMatchObject({ code: 'UNKNOWN_STAT' });
    expect(select('exists').filters).toEqual([]);
  });

  it('say why a name that nobody knows may be right all the same', () => {
    const unseen = new VirtstatError('TIMEOUT', 'the monitor of a gave no answer');
    const [error] = selectStats([parseStatWord('vcpu/exists')], SCHEMAS, unseen).unknown;
    expect(error?.message).toMatch(
      /did you mean exits\?; not everything could be looked at: the monitor of a gave no answer$/,
    );
    expect(select('vcpu/exists').unknown[0]?.message).toMatch(/did you mean exits\?$/);
  });

  it('are refused without a name', () => {
    for (const text of ['', 'kvm:', 'vcpu/', 'a/b/c', 'a:b:c']) {
      expect(() => parseStatWord(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
  });
});
