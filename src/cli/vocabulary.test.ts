import { describe, expect, it } from 'vitest';
import { completeColumns, completeStatsArgument, vocabularyOf } from './vocabulary.ts';

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

describe('completion of columns', () => {
  it.each([
    ['', ['cpu', 'pages', 'pages_4k', 'pages_2m', 'free', 'exits']],
    ['p', ['pages', 'pages_4k', 'pages_2m']],
    ['cpu,pages,pages_', ['cpu,pages,pages_4k', 'cpu,pages,pages_2m']],
    ['cpu,c', []],
  ])('%j is one of %j', (typed, expected) => {
    expect(completeColumns(words, ['cpu', 'pages'], typed)).toEqual(expected);
  });
});
