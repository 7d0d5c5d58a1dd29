import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parseInfoStats } from '../../protocol/hmp/info-stats-parse.ts';
import { Registry } from '../../registry/registry.ts';
import { openSources } from '../../source/open.ts';
import { MonitorShell } from './shell.ts';

const captures = fileURLToPath(new URL('../../../captures/kvm', import.meta.url));
const registry = new Registry(await openSources([`kvm+file:${captures}`]));
const [lab] = await registry.list({ domains: ['lab.t0'] });
if (lab === undefined) throw new Error('the captures have no domain lab.t0');
const { domain } = lab;

function newShell(): MonitorShell {
  return new MonitorShell(registry, domain, new AbortController().signal);
}

async function talk(...lines: readonly string[]): Promise<string[]> {
  const shell = newShell();
  const texts: string[] = [];
  for (const line of lines) texts.push((await shell.answer(line)).text);
  return texts;
}

afterAll(() => registry.close());

describe('a monitor session', () => {
  it('prints statistics as QEMU does', async () => {
    const [all, one, none] = await talk('info stats vm', 'info stats vm mmu_cache_miss kvm', 'info stats vm nope');
    expect(parseInfoStats(all ?? '', { target: 'vm' })[0]?.stats).toHaveLength(15);
    expect(one).toMatch(/^ {4}mmu_cache_miss \(cumulative\): \d+\n$/);
    expect(none).toBe('');
  });

  it('keeps the CPU that was chosen', async () => {
    const [first, , second, bad, cpus] = await talk(
      'info stats vcpu exits',
      'cpu 1',
      'info stats vcpu exits',
      'cpu 2',
      'info cpus',
    );
    expect(first).toMatch(/^provider: kvm\n {4}exits \(cumulative\): [1-9]\d*\n$/);
    expect(second).toBe('provider: kvm\n    exits (cumulative): 0\n');
    expect(bad).toBe('invalid CPU index\n');
    expect(cpus).toBe('  CPU #0: qom-path=vcpu-0\n* CPU #1: qom-path=vcpu-1\n');
  });

  it.each([
    ['', ''],
    ['  # a remark', ''],
    ['nope', "unknown command: 'nope'\n"],
    ['info nope x', "unknown command: 'info nope'\n"],
    ['info stats', 'stats: string expected\nTry "help info stats" for more information\n'],
    ['info stats foo', 'invalid stats target foo\n'],
    ['info stats vm a b', 'invalid stats provider b\n'],
    ['info stats cryptodev', ''],
    ['cpu', 'unexpected end of expression\nTry "help cpu" for more information\n'],
    ['cpu x', 'invalid char \'x\' in expression\nTry "help cpu" for more information\n'],
    ['cpu 0x9', 'invalid CPU index\n'],
    ['cpu 0x1', ''],
    ['cpu 00', ''],
    ['cpu 010', 'invalid CPU index\n'],
    ['cpu 4294967295', 'invalid CPU index\n'],
    ['cpu 4294967296', '\'cpu\' has failed: integer is for 32-bit values\nTry "help cpu" for more information\n'],
    ['cpu -1', '\'cpu\' has failed: integer is for 32-bit values\nTry "help cpu" for more information\n'],
    ['cpu 1 2', 'cpu: extraneous characters at the end of line\nTry "help cpu" for more information\n'],
    ['cpu 1x', 'cpu: extraneous characters at the end of line\nTry "help cpu" for more information\n'],
    ['info name', 'lab.t0\n'],
    ['info uuid', '00000000-0000-0000-0000-000000000000\n'],
    ['info name x', 'name: extraneous characters at the end of line\nTry "help info name" for more information\n'],
    ['quit x', 'quit|q: extraneous characters at the end of line\nTry "help quit" for more information\n'],
    ['help quit', 'quit|q  -- leave this monitor; the virtual machine goes on\n'],
    ['q x', 'quit|q: extraneous characters at the end of line\nTry "help q" for more information\n'],
    ['help cpu x', 'cpu index -- set the default CPU\n'],
    ['help nope', "unknown command: 'nope'\n"],
    ['help constructor', "unknown command: 'constructor'\n"],
    ['help info nope', "unknown command: 'info nope'\n"],
  ])('answers %j with %j', async (line, text) => {
    expect(await newShell().answer(line)).toEqual({ text, quits: false });
  });

  it('ends with quit', async () => {
    expect(await newShell().answer(' q ')).toEqual({ text: '', quits: true });
    expect((await newShell().answer('quit')).quits).toBe(true);
  });

  it('completes commands, topics, targets, names and providers', async () => {
    const shell = newShell();
    expect(await shell.complete('in')).toEqual([['info'], 'in']);
    expect(await shell.complete('info st')).toEqual([['stats', 'status'], 'st']);
    expect(await shell.complete('info stats v')).toEqual([['vm', 'vcpu'], 'v']);
    expect(await shell.complete('info stats vm pages_4k,pages_2')).toEqual([['pages_4k,pages_2m'], 'pages_4k,pages_2']);
    expect(await shell.complete('info stats vm * ')).toEqual([['kvm'], '']);
    expect(await shell.complete('help q')).toEqual([['quit'], 'q']);
    expect(await shell.complete('cpu ')).toEqual([[], '']);
  });
});
