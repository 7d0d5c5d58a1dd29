import { describe, expect, it } from 'vitest';
import { completeStatsArgument, vocabularyOf } from './vocabulary.ts';

const stat = (name: string): { name: string; type: string; exponent: number } => ({
  name,
  type: 'instant',
  exponent: 0,
});
const words = vocabularyOf([
  { provider: 'kvm', target: 'vm', stats: [stat('pages_4k'), stat('pages_2m')] },
  { provider: 'balloon', target: 'vm', stats: [stat('free')] },
  { provider: 'kvm', target: 'vcpu', stats: [stat('exits')] },
]);

describe('completion of target, names and provider', () => {
  it.each([
    [[], '', ['vm', 'vcpu']],
    [[], 'vc', ['vcpu']],
    [['vm'], '', ['pages_4k', 'pages_2m', 'free', '*']],
    [['vm'], 'pages_', ['pages_4k', 'pages_2m']],
    [['vm'], 'pages_4k,', ['pages_4k,pages_2m', 'pages_4k,free']],
    [['vm'], 'pages_4k,f', ['pages_4k,free']],
    [['nope'], '', ['*']],
    [['vm', '*'], '', ['kvm', 'balloon']],
    [['vcpu', '*'], 'b', []],
    [['vm', '*', 'kvm'], '', []],
  ])('after %j %s is one of %j', (before, typed, expected) => {
    expect(completeStatsArgument(words, before, typed)).toEqual(expected);
  });
});
