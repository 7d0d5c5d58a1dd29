import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import type { Sample, StatValue } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { displayWidth } from '../render/text.ts';
import { type Paint, plainPaint } from '../terminal.ts';
import { parseColumns } from './columns.ts';
import { TopData } from './data.ts';
import { Histories } from './histories.ts';
import { KEY_HELP, type KeyName } from './keys.ts';
import { press, settled } from './press.ts';
import { batchLines, screenLines } from './screen.ts';
import { currentLevel, firstState, keyOfView, type TopState } from './state.ts';
import { tableOf } from './view-table.ts';

const SECOND_NS = 1_000_000_000n;
const NOW_NS = 3n * SECOND_NS;
const SIZE = { columns: 80, rows: 23 };
const NS = { unit: 'seconds', base: 10, exponent: -9 } as const;
const STATS: readonly StatDescriptor[] = [
  { name: 'cpu_time', type: 'cumulative', ...NS },
  { name: 'run_delay', type: 'cumulative', ...NS },
  { name: 'exits', type: 'cumulative', exponent: 0 },
  { name: 'waits', type: 'log2-histogram', ...NS },
  { name: 'tomorrow', type: 'instant', unit: 'furlongs', exponent: 0 },
  { name: 'rss', type: 'instant', unit: 'bytes', exponent: 0 },
];

/** A VM of two vCPUs that has run at so many percent, with so many exits per second on each of them. */
interface Vm {
  readonly name: string;
  readonly percent: bigint;
  readonly exits?: bigint;
  readonly pid?: number;
  readonly rss?: bigint;
}

class Lab {
  readonly data: TopData = new TopData();
  readonly histories: Histories = new Histories();
  state: TopState;
  nowNs: bigint = NOW_NS;
  paint: Paint = plainPaint;

  constructor(vms: readonly Vm[], columns = 'cpu,delay,exits,age') {
    this.arrive(vms);
    this.look(vms, 1n);
    this.look(vms, 2n);
    this.state = firstState({ columns: parseColumns(columns, this.data.offers), intervalMs: 1000 });
    this.note();
  }

  arrive(vms: readonly Vm[]): void {
    this.data.setPresent(vms.map((vm) => ({ domain: domainOf(vm), items: [], errors: [] })));
    const schema = { stats: STATS };
    const items = [
      { ...schema, provider: 'process', target: 'vm' },
      { ...schema, provider: 'process', target: 'vcpu' },
      { ...schema, provider: 'kvm', target: 'vcpu' },
    ];
    this.data.learn(vms.map((vm) => ({ domain: domainOf(vm), items, errors: [] })));
  }

  look(vms: readonly Vm[], second: bigint): void {
    this.data.lookInto({});
    for (const vm of vms) {
      for (const depth of ['columns', 'all'] as const) {
        for (const target of ['vm', 'vcpu']) {
          const items = samplesOf(vm, target, second);
          this.data.update(depth, target, { domain: domainOf(vm), items, errors: [] });
        }
      }
    }
  }

  note(): void {
    this.histories.note(keyOfView(currentLevel(this.state).view), tableOf(this.state, this.data, this.nowNs));
  }

  press(...keys: readonly KeyName[]): this {
    for (const key of keys) {
      this.state = press(this.state, key, { data: this.data, nowNs: this.nowNs, pageRows: 10 });
    }
    return this;
  }

  type(text: string): this {
    return this.press(...text);
  }

  lines(size: { readonly columns: number; readonly rows: number } = SIZE): readonly string[] {
    const { data, histories, nowNs, paint } = this;
    const lines = screenLines(this.state, { data, histories, nowNs, paint }, size);
    // Of the row under the cursor all of the line is marked.
    return lines.map((line) => line.trimEnd());
  }

  /** The lines of the table, without those that are empty. */
  get table(): readonly string[] {
    return this.lines()
      .slice(2)
      .filter((line) => line !== '');
  }

  /** The first words of the table's rows. */
  get labels(): readonly string[] {
    return this.table.slice(1).map((line) => line.slice(1).trimStart().split(/ {2,}/)[0] ?? '');
  }
}

function domainOf({ name, pid }: Vm) {
  return { id: `id-${name}`, name, uuid: `uuid-${name}`, source: 'test:', ...(pid !== undefined && { pid }) };
}

function samplesOf(vm: Vm, target: string, second: bigint): readonly Sample[] {
  const { name, percent, exits = 0n, rss } = vm;
  const sample = (provider: string, values: Readonly<Record<string, StatValue>>, path?: string): Sample => ({
    domain: name,
    provider,
    target,
    ...(path !== undefined && { path }),
    via: 'test',
    collectedAtNs: second * SECOND_NS,
    stats: Object.entries(values).map(([each, value]) => ({ name: each, value })),
  });
  const cpuTime = (second * SECOND_NS * percent) / 100n;
  if (target === 'vm') {
    return [sample('process', { cpu_time: cpuTime, tomorrow: 7n, ...(rss !== undefined && { rss }) })];
  }
  return ['/cpu/0', '/cpu/1'].flatMap((path, index) => [
    sample('process', { run_delay: (second * SECOND_NS) / 1000n }, path),
    sample('kvm', { exits: second * exits * BigInt(index + 1), waits: [second, 0n, 2n * second, 0n] }, path),
  ]);
}

const THREE: readonly Vm[] = [
  { name: 'web-1', percent: 5n, exits: 100n, pid: 11 },
  { name: 'web-2', percent: 150n, exits: 10n, pid: 22 },
  { name: 'db-1', percent: 20n, pid: 33 },
];

describe('the screen of all domains', () => {
  it('has a row for each, the busiest first', () => {
    expect(new Lab(THREE).lines({ columns: 80, rows: 8 })).toEqual([
      expect.stringMatching(/^virtstat top {2}\d\d:\d\d:\d\d {2}3 domains {2}every 1 s$/),
      '? help  q quit',
      ' NAME    CPU%↓  DELAY%  EXITS/s     AGE  TREND CPU%',
      '>web-2   150.0     0.2       30    1.0s  █',
      ' db-1     20.0     0.2        0    1.0s  █',
      ' web-1     5.0     0.2      300    1.0s  █',
      '',
      '',
    ]);
  });

  it.each([
    ['P', ['web-2', 'db-1', 'web-1']],
    ['N', ['db-1', 'web-1', 'web-2']],
    ['D', ['web-1', 'web-2', 'db-1']],
    ['R', ['web-1', 'db-1', 'web-2']],
    ['<', ['db-1', 'web-1', 'web-2']],
    ['>>', ['web-1', 'web-2', 'db-1']],
    ['>>R', ['db-1', 'web-2', 'web-1']],
  ])('sorts with %s', (keys, order) => {
    expect(new Lab(THREE).type(keys).labels).toEqual(order);
  });

  it('sorts by the memory that somebody has a figure of', () => {
    const some = THREE.map((vm, index) => ({ ...vm, rss: BigInt(index) << 20n }));
    const lab = new Lab(some, 'cpu,mem,rss').press('M');
    expect(lab.table[0]).toMatch(/MEM +RSS↓/);
    expect(lab.labels).toEqual(['db-1', 'web-2', 'web-1']);
    expect(new Lab(THREE, 'cpu,mem,rss').press('M').table[0]).toMatch(/MEM↓ +RSS/);
  });

  it('keeps its columns where they are, whichever it is sorted by', () => {
    const lab = new Lab(THREE);
    const starts = () => ['NAME', 'CPU%', 'DELAY%', 'EXITS/s', 'AGE'].map((title) => lab.table[0]?.indexOf(title));
    const before = lab.press('N').table.slice(1);
    for (const key of ['>', '>', '>', '>']) {
      const heads = starts();
      lab.press(key);
      // A short title has its arrow within its own column.
      for (const [index, start] of starts().entries()) expect(Math.abs(start! - heads[index]!)).toBeLessThanOrEqual(1);
      const bare = (line: string): string => line.slice(1, 40);
      expect(lab.table.slice(1).map(bare).toSorted()).toEqual(before.map(bare).toSorted());
    }
  });

  it('shows what is asked for while much is typed', () => {
    const lab = new Lab(THREE).press('F').type(',exits'.repeat(20));
    expect(lab.lines()[1]).toMatch(/^columns: ….{63},exits_$/);
    expect(displayWidth(lab.lines()[1] ?? '')).toBe(80);
    expect(lab.lines({ columns: 5, rows: 9 })[1]).toBe('colu…');
    expect(lab.press('ctrl-u').type('age').press('enter').table[0]).toMatch(/^ NAME +AGE/);
  });

  it('says where there is no such column', () => {
    expect(new Lab(THREE).press('M').lines()[1]).toBe('there is no column mem here');
    expect(new Lab(THREE).press('M', 'up').lines()[1]).toBe('? help  q quit');
  });

  it('shows what is missing as missing, and last whichever way it is sorted', () => {
    const lab = new Lab(THREE);
    const newcomer = { name: 'new', percent: 900n };
    lab.arrive([newcomer, ...THREE]);
    lab.look([newcomer], 2n);
    expect(lab.labels).toEqual(['web-2', 'db-1', 'web-1', 'new']);
    expect(lab.press('R').labels).toEqual(['web-1', 'db-1', 'web-2', 'new']);
    expect(lab.table.at(-1)).toMatch(/^ new +- +- +- +1\.0s$/);
  });

  it.each([
    ['fweb', ['web-2', 'web-1']],
    ['/^DB', ['db-1']],
    ['g22', ['web-2']],
    ['puuid-web-1', ['web-1']],
  ])('filters while %s is typed', (keys, left) => {
    const lab = new Lab(THREE).type(keys);
    expect(lab.labels).toEqual(left);
    expect(lab.press('enter').labels).toEqual(left);
    expect(lab.lines()[0]).toContain(`filter ${keys.slice(1)}`);
    expect(lab.press('c').labels).toHaveLength(3);
  });

  it('takes no filter that is no regular expression, and gives up one on Esc', () => {
    const lab = new Lab(THREE).type('fweb(');
    expect(lab.labels).toEqual(['web-2', 'web-1']);
    expect(lab.lines()[1]).toBe('filter (regular expression): web(_');
    expect(lab.press('enter').lines()[1]).toBe('"web(" is no regular expression');
    expect(lab.labels).toHaveLength(3);
    expect(lab.type('fx').labels).toEqual(['nothing fits the filter (c clears it)']);
    expect(lab.press('backspace').labels).toHaveLength(3);
    expect(lab.type('web').press('escape').labels).toHaveLength(3);
  });

  it('keeps the cursor on its domain when the order changes', () => {
    const lab = new Lab(THREE).press('down');
    expect(lab.table[2]).toMatch(/^>db-1/);
    expect(lab.press('R').table[2]).toMatch(/^>db-1/);
    expect(lab.press('end').table[3]).toMatch(/^>web-2/);
    expect(lab.press('N').table[3]).toMatch(/^>web-2/);
    expect(lab.press('home').table[1]).toMatch(/^>db-1/);
    expect(lab.press('pagedown').table[3]).toMatch(/^>web-2/);
  });

  it('shows any stat as a column, with its unit', () => {
    const lab = new Lab(THREE).press('F');
    expect(lab.lines()[1]).toBe('columns: cpu,delay,exits,age_');
    lab.type(',process:tomorrow').press('enter');
    expect(lab.table[0]).toContain('tomorrow furlongs');
    expect(lab.table[1]).toMatch(/ 7 /);
    expect(lab.type('F,tomorow').press('enter').lines()[1]).toMatch(
      /no stat is named "tomorow"; did you mean tomorrow/,
    );
    expect(lab.state.columns).toHaveLength(5);
  });

  it('takes another interval, and refuses one that is none', () => {
    const lab = new Lab(THREE).type('d2.5').press('enter');
    expect(lab.state.intervalMs).toBe(2500);
    expect(lab.lines()[0]).toContain('every 2.5 s');
    expect(lab.type('s0').press('enter').lines()[1]).toMatch(/number of seconds/);
    expect(lab.type('s').press('enter').state.intervalMs).toBe(2500);
  });

  it('pauses, asks for looks, and quits', () => {
    const lab = new Lab(THREE).press('Z');
    expect(lab.lines()[0]).toContain('PAUSED');
    expect(lab.press(' ', ' ').state.looks).toBe(2);
    expect(lab.press('Z').state.isPaused).toBe(false);
    expect(lab.press('k').lines()[1]).toMatch(/only reads/);
    expect(lab.press('y', 'tab').state.hasQuit).toBe(false);
    expect(lab.press('q').state.hasQuit).toBe(true);
    expect(new Lab(THREE).press('f', 'q').state.hasQuit).toBe(false);
    expect(new Lab(THREE).press('f', 'ctrl-c').state.hasQuit).toBe(true);
  });

  it('marks what is old, and says how old and why', () => {
    const lab = new Lab(THREE);
    const [web] = THREE as [Vm];
    const error = new VirtstatError('TIMEOUT', 'web-1 gave no answer within 3000 ms');
    const stale = { ageNs: SECOND_NS, code: error.code, reason: error.message };
    const items = samplesOf(web, 'vm', 2n).map((sample) => ({ ...sample, stale }));
    lab.data.update('columns', 'vm', { domain: domainOf(web), items, errors: [error] });
    lab.nowNs = 14n * SECOND_NS;
    expect(lab.table).toContain(' web-1     5.0     0.2      300    12s!  █');
    expect(lab.lines().at(-1)).toBe('web-1: 12s old: web-1 gave no answer within 3000 ms');
  });

  it('has a row for who never answered, and says why', () => {
    const lab = new Lab([{ name: 'up', percent: 1n }]);
    const dead = { name: 'dead', percent: 0n };
    lab.arrive([{ name: 'up', percent: 1n }, dead]);
    const errors = [new VirtstatError('ACCESS_DENIED', 'may not be read')];
    lab.data.update('columns', 'vm', { domain: domainOf(dead), items: [], errors });
    expect(lab.lines()).toContain(' dead       -       -        -       -');
    expect(lab.lines().at(-1)).toBe('dead: may not be read');
  });

  it('lets go of who has gone, and keeps those of a source that cannot be searched', () => {
    const lab = new Lab(THREE);
    const [web, ...others] = THREE as [Vm, ...Vm[]];
    const gone = [new VirtstatError('DOMAIN_GONE', 'it has exited')];
    lab.data.update('columns', 'vm', { domain: domainOf(web), items: [], errors: gone });
    expect(lab.labels).toEqual(['web-2', 'db-1']);
    const failed = { domain: { id: 'test:', name: 'test:', source: 'test:' }, items: [] };
    lab.data.setPresent([{ ...failed, errors: [new VirtstatError('TIMEOUT', 'no answer')] }]);
    expect(lab.table.slice(1)).toEqual([
      expect.stringMatching(/^>web-2 .* 1\.0s!/),
      expect.stringMatching(/^ db-1 .* 1\.0s!/),
      'test:: no answer',
    ]);
    lab.data.setPresent(others.slice(1).map((vm) => ({ domain: domainOf(vm), items: [], errors: [] })));
    expect(lab.labels).toEqual(['db-1']);
  });

  it('tells many problems in a few lines', () => {
    const vms = Array.from({ length: 40 }, (_, index) => ({ name: `vm-${index}`, percent: 1n }));
    const lab = new Lab(vms);
    for (const vm of vms) {
      const errors = [new VirtstatError('MONITOR_BUSY', `${vm.name} is busy`)];
      lab.data.update('columns', 'block', { domain: domainOf(vm), items: [], errors });
    }
    const lines = lab.lines({ columns: 80, rows: 20 });
    expect(lines).toHaveLength(20);
    expect(lines.slice(-2)).toEqual(['vm-2 is busy', '… and 37 more that went wrong']);
    expect(lab.press('end').lines({ columns: 80, rows: 20 })[0]).toContain('28-40 of 40');
  });

  it('says what it knows of nobody', () => {
    const lab = new Lab([]);
    expect(lab.labels).toEqual(['no virtual machine is there']);
    expect(lab.press('enter', 'down', 'end', 'left').labels).toEqual(['no virtual machine is there']);
    const before = new Lab([]);
    Object.assign(before, { data: new TopData() });
    expect(before.labels).toEqual(['looking for virtual machines']);
  });
});

describe('the screens of one domain', () => {
  it('begin with its objects', () => {
    const lab = new Lab(THREE).press('down', 'down', 'enter');
    expect(lab.lines()[0]).toMatch(/\d {2}web-1 {2}every/);
    expect(lab.table).toEqual([
      ' OBJECT↓     CPU%  DELAY%  EXITS/s     AGE  DEVICE  PATH    TREND CPU%',
      '>all          5.0     0.2      300    1.0s  -       -',
      ' vm           5.0       -        -    1.0s  -       -',
      ' vcpu (2)       -     0.2      300    1.0s  -       -',
      ' vcpu #0        -     0.1      100    1.0s  -       /cpu/0',
      ' vcpu #1        -     0.1      200    1.0s  -       /cpu/1',
    ]);
    expect(lab.press('>', '>', '>').labels).toEqual(['all', 'vcpu (2)', 'vcpu #1', 'vcpu #0', 'vm']);
  });

  it('go on with the stats of an object, and with one of them', () => {
    const lab = new Lab(THREE).press('down', 'down', 'enter', 'end', 'enter');
    expect(lab.lines()[0]).toContain('web-1 > vcpu #1');
    expect(lab.table).toEqual([
      ' STAT        TOTAL  PER SECOND↓ PROVIDER  TARGET  TYPE            TREND PER SEC…',
      '>exits         400       200/s  kvm       vcpu    cumulative',
      ' waits           6         3/s  kvm       vcpu    log2-histogram',
      ' run_delay    2 ms      1 ms/s  process   vcpu    cumulative',
    ]);
    expect(lab.press('o').labels).toEqual(['exits', 'waits', 'run_delay']);
    expect(lab.press('o').type('fwai').press('enter', 'enter').lines()[0]).toContain('web-1 > vcpu #1 > kvm waits');
    expect(lab.table).toEqual([
      ' OBJECT↓   TOTAL  PER SECOND  PATH    TREND PER SECOND',
      '>vcpu #1       6         3/s  /cpu/1',
      '  6 values counted so far (o: since the last look)',
      '  p50 [2 ns, 4 ns)  p90 [2 ns, 4 ns)  p99 [2 ns, 4 ns)  p99.9 [2 ns, 4 ns)',
      `    [0 s, 1 ns)   2  ${'█'.repeat(18)}`,
      '    …',
      `    [2 ns, 4 ns)  4  ${'█'.repeat(36)}`,
    ]);
    expect(lab.lines({ columns: 50, rows: 23 }).slice(6, 8)).toEqual([
      ...['  p50 [2 ns, 4 ns)  p90 [2 ns, 4 ns)', '  p99 [2 ns, 4 ns)  p99.9 [2 ns, 4 ns)'],
    ]);
    expect(lab.press('o').table.slice(2, 4)).toEqual([
      '  3 values counted between the last two looks (o: all)',
      expect.stringContaining('p50 [2 ns, 4 ns)'),
    ]);
    expect(lab.press('left').labels).toEqual(['waits']);
    expect(lab.press('escape', 'backspace', 'left').labels).toHaveLength(3);
    // The cursor is where it was.
    expect(lab.table[3]).toMatch(/^>web-1/);
  });

  it('add objects up, and all domains', () => {
    const lab = new Lab(THREE).press('b');
    expect(lab.lines()[0]).toContain('all domains');
    expect(lab.table.find((line) => line.includes('exits'))).toMatch(/ 660 +330\/s/);
    expect(lab.type('fexits').press('enter', 'enter').table.slice(0, 3)).toEqual([
      expect.stringMatching(/^ OBJECT↓/),
      expect.stringMatching(/^>all +660 +330\/s/),
      expect.stringMatching(/^ web-1 vcpu #0 +200 +100\/s/),
    ]);
    expect(lab.press('b').state.levels).toHaveLength(1);
  });

  it('count from r on', () => {
    const lab = new Lab(THREE).press('b').type('fexits').press('enter', 'r');
    lab.data.tracks('all').rebase();
    for (const vm of THREE) {
      const items = samplesOf(vm, 'vcpu', 5n);
      lab.data.update('all', 'vcpu', { domain: domainOf(vm), items, errors: [] });
    }
    expect(lab.table[0]).toContain('SINCE r');
    expect(lab.table[1]).toMatch(/ 990 +330\/s/);
    expect(lab.press('b', 'b').table[0]).toContain('TOTAL');
  });

  it('are left when the domain goes', () => {
    const lab = new Lab(THREE).press('enter', 'enter');
    lab.arrive(THREE.filter(({ name }) => name !== 'web-2'));
    lab.state = settled(lab.state, lab.data);
    expect(lab.lines()[1]).toBe('that virtual machine has gone');
    expect(lab.labels).toEqual(['db-1', 'web-1']);
  });
});

describe('every screen', () => {
  const walk = (): readonly Lab[] => [
    new Lab(THREE),
    new Lab(THREE).press('enter'),
    new Lab(THREE).press('enter', 'enter'),
    new Lab(THREE).press('b').type('fwaits').press('enter', 'enter'),
    new Lab(THREE).press('?'),
    new Lab(THREE).press('F'),
  ];

  it.each([
    [80, 24],
    [300, 100],
    [40, 10],
    [12, 3],
    [1, 1],
  ])('keeps within %i columns and %i rows', (columns, rows) => {
    for (const lab of walk()) {
      const lines = lab.lines({ columns, rows });
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(lines.filter((line) => displayWidth(line) > columns)).toEqual([]);
    }
  });

  it('leaves out columns that do not fit, but not what it is sorted by', () => {
    expect(new Lab(THREE).press('N').lines({ columns: 24, rows: 9 })[2]).toBe(' NAME↓    CPU%  DELAY%');
    expect(new Lab(THREE).press('>', '>').lines({ columns: 24, rows: 9 })[2]).toBe(' NAME     CPU%  EXITS/s↓');
  });

  it('tells names apart that differ at their end, before it shows the last columns', () => {
    const vms = ['a', 'b'].map((end) => ({ name: `instance-00000a1${end}`, percent: 1n }));
    const columns = 'cpu,delay,exits,mem,disk,net,age,rss,read,write';
    expect(new Lab(vms, columns).labels).toEqual(vms.map(({ name }) => name));
  });

  it('writes names out that would move the cursor, and counts wide ones', () => {
    const names = ['\u001b[2Jcls', 'a\nb', '日本語サーバー', '🦊🦊', '\u202eabc', 'x'.repeat(300)];
    for (const columns of [80, 30]) {
      const lines = new Lab(names.map((name) => ({ name, percent: 1n }))).lines({ columns, rows: 12 });
      expect(lines).toHaveLength(12);
      expect(lines.filter((line) => /[\u0000-\u001f\u202e]/.test(line) || displayWidth(line) > columns)).toEqual([]);
      expect(lines.join('\n')).toContain('\\x1b[2Jcls');
    }
  });

  it('marks by colour the row under the cursor and those that are old, and never by colour alone', () => {
    const lab = new Lab(THREE);
    lab.paint = (style, text) => `<${style}>${text}`;
    expect(lab.lines()[3]).toMatch(/^<inverse>>web-2 /);
    expect(lab.lines()[2]).toMatch(/^<bold> NAME/);
  });

  it('has a help that names every key', () => {
    const lab = new Lab(THREE).press('h');
    const keys = KEY_HELP.map(([text]) => text).join(' ');
    for (const key of 'bPMTDN<>RofgpcFsdZrh?q/') expect(keys.split(/[ ,]+/)).toContain(key);
    expect(lab.lines()[0]).toMatch(/^Up Down .* move the cursor$/);
    // At 80 columns and 24 rows all of it is there.
    expect(lab.lines({ columns: 80, rows: 23 })).toContain('any key goes back');
    expect(lab.lines().filter((line) => line.includes('…'))).toEqual([]);
    expect(lab.press('q').state).toMatchObject({ hasQuit: false, isHelpShown: false });
  });
});

describe('a frame for scripts', () => {
  it('has all rows and columns, and no cursor', () => {
    const lab = new Lab(THREE, 'cpu,delay,exits,age,rss,read,write,rx,tx,balloon');
    const { data, histories, nowNs } = lab;
    const lines = batchLines(lab.state, { data, histories, nowNs, paint: plainPaint });
    expect(lines.slice(1)).toEqual([
      'NAME     CPU%  DELAY%  EXITS/s     AGE     RSS  READ/s  WRITE/s    RX/s    TX/s  BALLOON',
      'web-2   150.0     0.2       30    1.0s       -       -        -       -       -        -',
      'db-1     20.0     0.2        0    1.0s       -       -        -       -       -        -',
      'web-1     5.0     0.2      300    1.0s       -       -        -       -       -        -',
    ]);
  });
});
