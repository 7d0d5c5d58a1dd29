import { describe, expect, it } from 'vitest';
import type { Sample, StatValue } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { SchemaBook } from '../schema-book.ts';
import { areAllPresets, DEFAULT_COLUMNS, PRESETS, parseColumns, wantedBy } from './columns.ts';
import { type FigureSource, figureOf, figureText, unitTitle } from './figures.ts';
import { filtersFor, Offers } from './offers.ts';
import { type Track, Tracks } from './tracks.ts';

const SECOND_NS = 1_000_000_000n;
const domain = { id: 'i', name: 'lab-1', source: 'local:' };
const NS = { unit: 'seconds', base: 10, exponent: -9 } as const;
const STATS: readonly StatDescriptor[] = [
  { name: 'time', type: 'cumulative', ...NS },
  { name: 'sent', type: 'cumulative', unit: 'bytes', exponent: 0 },
  { name: 'count', type: 'cumulative', exponent: 0 },
  { name: 'odd', type: 'cumulative', unit: 'furlongs', exponent: 0 },
  { name: 'wait', type: 'log2-histogram', ...NS },
  { name: 'size', type: 'instant', unit: 'bytes', base: 2, exponent: 10 },
  { name: 'free', type: 'instant', unit: 'bytes', base: 2, exponent: 10 },
  { name: 'where', type: 'instant', exponent: 0 },
  { name: 'on', type: 'instant', unit: 'boolean', exponent: 0 },
  { name: 'heat', type: 'instant', unit: 'kelvin', exponent: 0 },
  { name: 'far', type: 'instant', unit: 'seconds', base: 10, exponent: 400 },
  { name: 'new', type: 'instant', unit: 'seconds', base: 'unknown-7', exponent: 3 },
  { name: 'list', type: 'instant', exponent: 0 },
];
const SCHEMAS = [
  {
    domain,
    items: [
      { provider: 'p', target: 'vm', stats: STATS },
      { provider: 'p', target: 'vcpu', stats: STATS },
      { provider: 'q', target: 'vcpu', stats: STATS.slice(0, 1) },
    ],
    errors: [],
  },
];
const book = new SchemaBook(SCHEMAS);

interface At {
  readonly second: bigint;
  readonly target?: string;
  readonly provider?: string;
  readonly path?: string;
  readonly values: Readonly<Record<string, StatValue>>;
}

function sampleOf({ second, target = 'vm', provider = 'p', path, values }: At): Sample {
  return {
    domain: domain.name,
    provider,
    target,
    ...(path !== undefined && { path }),
    via: 'test',
    collectedAtNs: second * SECOND_NS,
    stats: Object.entries(values).map(([name, value]) => ({ name, value })),
  };
}

/** What is known after some looks, each of which had these samples. */
function tracksOf(...looks: readonly (readonly At[])[]): readonly Track[] {
  const tracks = new Tracks();
  for (const samples of looks) {
    for (const [target, ofTarget] of Map.groupBy(samples.map(sampleOf), (sample) => sample.target)) {
      tracks.update(target, { domain, items: ofTarget, errors: [] }, book);
    }
  }
  return tracks.of(domain.id);
}

function text(sources: readonly FigureSource[], tracks: readonly Track[]): string | undefined {
  const figure = figureOf(sources, tracks);
  return figure && figureText(figure);
}

const vm = (name: string): readonly FigureSource[] => [{ target: 'vm', provider: 'p', names: [name] }];

describe('tracks', () => {
  const look = (second: bigint, count: bigint): readonly At[] => [{ second, values: { count } }];

  it('have rates by the samples’ own times', () => {
    expect(text(vm('count'), tracksOf(look(10n, 5n), look(14n, 25n)))).toBe('5');
  });

  it('have none before the second sample', () => {
    expect(text(vm('count'), tracksOf(look(10n, 5n)))).toBeUndefined();
  });

  it('have none where a counter began anew, or time went back', () => {
    expect(text(vm('count'), tracksOf(look(10n, 500n), look(11n, 4n)))).toBeUndefined();
    expect(text(vm('count'), tracksOf(look(10n, 5n), look(9n, 6n)))).toBeUndefined();
    expect(text(vm('count'), tracksOf(look(10n, 500n), look(11n, 4n), look(12n, 7n)))).toBe('3');
  });

  it('keep the rate while the same sample comes again', () => {
    expect(text(vm('count'), tracksOf(look(10n, 5n), look(11n, 8n), look(11n, 8n)))).toBe('3');
  });

  it('forget an object that is gone, and count totals anew on demand', () => {
    const tracks = new Tracks();
    const update = (...samples: readonly At[]): void =>
      tracks.update('vcpu', { domain, items: samples.map(sampleOf), errors: [] }, book);
    const [a, b] = ['/a', '/b'].map((path) => ({ second: 1n, target: 'vcpu', path, values: { count: 7n } }));
    update(a as At, b as At);
    tracks.rebase();
    expect(tracks.all.map(({ base }) => base?.stats)).toEqual(Array(2).fill([{ name: 'count', value: 7n }]));
    update({ ...(b as At), second: 2n });
    expect(tracks.of(domain.id).map(({ sample, base }) => [sample.path, base !== undefined])).toEqual([['/b', true]]);
    tracks.retain(new Set());
    expect(tracks.all).toEqual([]);
  });
});

describe('a figure', () => {
  const both = (values: Readonly<Record<string, readonly [StatValue, StatValue]>>): readonly Track[] => {
    const pick = (index: 0 | 1): Readonly<Record<string, StatValue>> =>
      Object.fromEntries(Object.entries(values).map(([name, pair]) => [name, pair[index]]));
    return tracksOf([{ second: 1n, values: pick(0) }], [{ second: 2n, values: pick(1) }]);
  };

  it.each([
    ['time', [0n, 1_250_000_000n], '125.0', '%'],
    ['sent', [0n, 1536n], '1.5Ki', '/s'],
    ['count', [0n, 7737n], '7.74k', '/s'],
    ['odd', [0n, 3n], '3', ' furlongs/s'],
    [
      'wait',
      [
        [0n, 1n],
        [2n, 4n],
      ],
      '5',
      '/s',
    ],
    ['size', [3n, 2048n], '2Mi', ''],
    ['where', [1n, 3n], '3', ''],
    ['on', [true, false], 'no', ''],
    ['heat', [1n, 300n], '300', ' kelvin'],
    ['far', [7n, 7n], '7 * 10^400 seconds', ''],
    ['new', [7n, 7n], '7 * unknown-7^3 seconds', ''],
  ] as const)('of %s is shown by its schema', (name, [before, after], shown, title) => {
    expect(text(vm(name), both({ [name]: [before as StatValue, after as StatValue] }))).toBe(shown);
    expect(unitTitle(STATS.find((stat) => stat.name === name) as StatDescriptor)).toBe(title);
  });

  it('of a list, or of what is not there, is missing', () => {
    expect(text(vm('list'), both({ list: [[1n], [2n]] }))).toBeUndefined();
    expect(text(vm('count'), both({ sent: [0n, 1n] }))).toBeUndefined();
  });

  it('adds names up, and subtracts one; all of them have to be there', () => {
    const tracks = both({ size: [8n, 8n], free: [6n, 6n], sent: [0n, 1n] });
    expect(text([{ names: ['size'], less: 'free' }], tracks)).toBe('2Ki');
    expect(text([{ names: ['size', 'free'] }], tracks)).toBe('14Ki');
    expect(text([{ names: ['size', 'gone'] }], tracks)).toBeUndefined();
    expect(text([{ names: ['size'], less: 'gone' }], tracks)).toBeUndefined();
    // What would be less than nothing was not measured at one time.
    expect(text([{ names: ['free'], less: 'size' }], tracks)).toBeUndefined();
  });

  it('of several objects is their sum where that means something, else the largest', () => {
    const look = (second: bigint, grown: bigint): readonly At[] =>
      ['/a', '/b'].map((path, index) => ({
        second,
        target: 'vcpu',
        path,
        values: { count: grown, size: 4n, where: BigInt(index) },
      }));
    const tracks = tracksOf(look(1n, 0n), look(2n, 10n));
    const cpu = (name: string): string | undefined => text([{ target: 'vcpu', names: [name] }], tracks);
    expect([cpu('count'), cpu('size'), cpu('where')]).toEqual(['20', '8Ki', '1']);
  });

  it('is that of the first source that has any, and of its first target and provider', () => {
    const look = (second: bigint, value: bigint): readonly At[] => [
      { second, target: 'vcpu', provider: 'q', path: '/a', values: { time: value * 7n } },
      { second, target: 'vcpu', path: '/a', values: { time: value * 5n } },
      { second, values: { time: value * 3n } },
    ];
    const tracks = tracksOf(look(1n, 0n), look(2n, SECOND_NS));
    expect(text([{ names: ['time'] }], tracks)).toBe('300.0');
    expect(text([{ provider: 'q', names: ['time'] }], tracks)).toBe('700.0');
    expect(
      text(
        [
          { target: 'block', names: ['time'] },
          { target: 'vcpu', provider: 'p', names: ['time'] },
        ],
        tracks,
      ),
    ).toBe('500.0');
  });

  it('may be the total', () => {
    const figure = figureOf(vm('time'), both({ time: [0n, 90n * SECOND_NS] }), true);
    expect(figure && figureText(figure)).toBe('1m30s');
  });

  it('may be a word', () => {
    const figure = figureOf(vm('where'), both({ where: [1n, 1n] }));
    expect(figure && figureText(figure, new Map([[1, 'running']]))).toBe('running');
    expect(figure && figureText(figure, new Map([[2, 'paused']]))).toBe('1');
  });
});

describe('columns', () => {
  const offers = new Offers();
  offers.add(SCHEMAS);

  it('have short names, each once, and the usual ones are among them', () => {
    expect(new Set(PRESETS.map(({ id }) => id)).size).toBe(PRESETS.length);
    expect(areAllPresets(DEFAULT_COLUMNS)).toBe(true);
    expect(parseColumns(DEFAULT_COLUMNS, new Offers())).toHaveLength(DEFAULT_COLUMNS.split(',').length);
    expect(areAllPresets('cpu,count')).toBe(false);
  });

  it('may be any stat, by name, provider and target', () => {
    expect(
      parseColumns(' cpu,count,q:time, p:vcpu:odd,cpu', offers).map(({ id, title, sources }) => [id, title, sources]),
    ).toEqual([
      ['cpu', 'CPU%', PRESETS.find(({ id }) => id === 'cpu')?.sources],
      ['count', 'count/s', [{ names: ['count'] }]],
      ['q:time', 'time%', [{ names: ['time'], provider: 'q' }]],
      ['p:vcpu:odd', 'odd furlongs/s', [{ names: ['odd'], provider: 'p', target: 'vcpu' }]],
    ]);
  });

  it.each([
    ['cpu,', 'USAGE', /empty name/],
    [Array.from({ length: 65 }, (_, index) => `c${index}`).join(','), 'USAGE', /more than 64/],
    ['p:cuont', 'UNKNOWN_STAT', /no column and no stat is named "p:cuont"; did you mean count\?/],
    ['q:count', 'UNKNOWN_STAT', /"q:count"/],
    ['dlay', 'UNKNOWN_STAT', /did you mean delay/],
  ])('of %j are refused', (list, code, message) => {
    const parse = (): unknown => parseColumns(list, offers);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ code }));
  });

  it('ask each target once, for what somebody offers', () => {
    const columns = parseColumns('cpu,time,count,q:time,p:vm:odd', offers);
    const own = columns.slice(2);
    expect(filtersFor(wantedBy(own), offers)).toEqual([
      { target: 'vm', providers: [{ provider: 'p', names: ['count', 'odd'] }] },
      {
        target: 'vcpu',
        providers: [
          { provider: 'p', names: ['count'] },
          { provider: 'q', names: ['time'] },
        ],
      },
    ]);
    expect(filtersFor(wantedBy(columns.slice(0, 2)), offers)).toEqual([]);
  });
});
