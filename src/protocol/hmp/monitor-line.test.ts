import { expect, it } from 'vitest';
import { INFO_STATS_HELP } from './command-line.ts';
import { parseMonitorLine } from './monitor-line.ts';

it.each([
  ['info stats vm', ' vm'],
  [' \tinfo  stats', ''],
  ['info stats/vm', '/vm'],
])('takes %j for info stats', (line, args) => {
  expect(parseMonitorLine(line)).toEqual({ kind: 'info-stats', args });
});

it.each([
  [' nope x', "unknown command: ' nope'"],
  ['info  nope x', "unknown command: 'info  nope'"],
  ['info/stats vm', "unknown command: 'info'"],
  ['/info', "unknown command: ''"],
  ['stop', "unknown command: 'stop'"],
  ['help stop', "unknown command: 'stop'"],
  ['? info nope', "unknown command: 'info nope'"],
  ['help info stats', INFO_STATS_HELP],
  ['help', INFO_STATS_HELP],
  ['info', INFO_STATS_HELP],
])('answers %j', (line, answer) => {
  expect(parseMonitorLine(line)).toEqual({ kind: 'answer', lines: [answer] });
});

it('says nothing to nothing', () => {
  expect(parseMonitorLine(' \n')).toEqual({ kind: 'answer', lines: [] });
});
