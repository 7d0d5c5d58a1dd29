import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { encodeStatsFile, type StatToEncode } from '../src/kvm.ts';
import { virtstat } from './lab/cli.ts';

/**
 * Everything that the format can say, through the built program. The texts are QEMU's, as measured; they are written out
 * here and not computed.
 */
interface Row {
  readonly stat: Omit<StatToEncode, 'name'>;
  /** What `schemas --json` prints behind the name. */
  readonly schema: string;
  /** What `query --json` prints as the value. */
  readonly value: string;
  /** What `info stats` prints behind the name; undefined where QEMU leaves the stat out. */
  readonly text: string | undefined;
}

const MAX = 2n ** 64n - 1n;
const SEVEN = [7n];

function scalar(stat: Omit<StatToEncode, 'name' | 'type' | 'values'>, schema: string, details: string): Row {
  return {
    stat: { type: 'cumulative', values: SEVEN, ...stat },
    schema: `"type":"cumulative",${schema}`,
    value: '7',
    text: `(cumulative${details}): 7`,
  };
}

const ROWS: readonly Row[] = [
  scalar({}, '"exponent":0', ''),
  scalar({ unit: 'bytes' }, '"unit":"bytes","exponent":0', ', B'),
  scalar({ unit: 'bytes', base: 2 }, '"unit":"bytes","exponent":0', ', B'),
  scalar({ unit: 'bytes', base: 2, exponent: 10 }, '"unit":"bytes","base":2,"exponent":10', ', KiB'),
  scalar({ unit: 'bytes', base: 2, exponent: 20 }, '"unit":"bytes","base":2,"exponent":20', ', MiB'),
  scalar({ unit: 'bytes', base: 2, exponent: 30 }, '"unit":"bytes","base":2,"exponent":30', ', GiB'),
  scalar({ unit: 'bytes', base: 2, exponent: 60 }, '"unit":"bytes","base":2,"exponent":60', ', EiB'),
  scalar({ unit: 'bytes', base: 10, exponent: 3 }, '"unit":"bytes","base":10,"exponent":3', ', KB'),
  scalar({ unit: 'bytes', base: 10, exponent: 6 }, '"unit":"bytes","base":10,"exponent":6', ', MB'),
  scalar({ unit: 'bytes', base: 2, exponent: 70 }, '"unit":"bytes","base":2,"exponent":70', ', * 2^70 bytes'),
  scalar({ unit: 'bytes', base: 2, exponent: 12 }, '"unit":"bytes","base":2,"exponent":12', ', * 2^12 bytes'),
  scalar({ unit: 'bytes', base: 2, exponent: -10 }, '"unit":"bytes","base":2,"exponent":-10', ', * 2^-10 bytes'),
  scalar({ unit: 'seconds' }, '"unit":"seconds","exponent":0', ', s'),
  scalar({ unit: 'seconds', exponent: -3 }, '"unit":"seconds","base":10,"exponent":-3', ', ms'),
  scalar({ unit: 'seconds', exponent: -6 }, '"unit":"seconds","base":10,"exponent":-6', ', us'),
  scalar({ unit: 'seconds', exponent: -9 }, '"unit":"seconds","base":10,"exponent":-9', ', ns'),
  scalar({ unit: 'seconds', exponent: -12 }, '"unit":"seconds","base":10,"exponent":-12', ', ps'),
  scalar({ unit: 'seconds', exponent: -18 }, '"unit":"seconds","base":10,"exponent":-18', ', as'),
  scalar({ unit: 'seconds', exponent: 18 }, '"unit":"seconds","base":10,"exponent":18', ', Es'),
  scalar({ unit: 'seconds', exponent: -21 }, '"unit":"seconds","base":10,"exponent":-21', ', * 10^-21 seconds'),
  scalar({ unit: 'seconds', exponent: -8 }, '"unit":"seconds","base":10,"exponent":-8', ', * 10^-8 seconds'),
  scalar({ unit: 'seconds', base: 2, exponent: 10 }, '"unit":"seconds","base":2,"exponent":10', ', Kis'),
  scalar({ unit: 'seconds', exponent: 32767 }, '"unit":"seconds","base":10,"exponent":32767', ', * 10^32767 seconds'),
  scalar(
    { unit: 'seconds', exponent: -32768 },
    '"unit":"seconds","base":10,"exponent":-32768',
    ', * 10^-32768 seconds',
  ),
  scalar({ base: 2, exponent: 32767 }, '"base":2,"exponent":32767', ', * 2^32767'),
  scalar({ unit: 'cycles' }, '"unit":"cycles","exponent":0', ', cycles'),
  scalar({ unit: 'cycles', exponent: 3 }, '"unit":"cycles","base":10,"exponent":3', ', * 10^3 cycles'),
  scalar({ unit: 'cycles', base: 2, exponent: 10 }, '"unit":"cycles","base":2,"exponent":10', ', * 2^10 cycles'),
  {
    stat: { type: 'peak', exponent: 3, values: [0n] },
    schema: '"type":"peak","base":10,"exponent":3',
    value: '0',
    text: '(peak, * 10^3): 0',
  },
  {
    stat: { type: 'peak', base: 2, exponent: 10, values: [MAX] },
    schema: '"type":"peak","base":2,"exponent":10',
    value: '18446744073709551615',
    text: '(peak, * 2^10): -1',
  },
  {
    stat: { type: 'instant', values: [2n ** 63n] },
    schema: '"type":"instant","exponent":0',
    value: '9223372036854775808',
    text: '(instant): -9223372036854775808',
  },
  {
    stat: { type: 'instant', values: [2n ** 63n - 1n] },
    schema: '"type":"instant","exponent":0',
    value: '9223372036854775807',
    text: '(instant): 9223372036854775807',
  },
  {
    stat: { type: 'instant', values: [2n ** 53n + 1n] },
    schema: '"type":"instant","exponent":0',
    value: '9007199254740993',
    text: '(instant): 9007199254740993',
  },
  {
    stat: { type: 'instant', unit: 'boolean', values: [0n] },
    schema: '"type":"instant","unit":"boolean","exponent":0',
    value: 'false',
    text: '(instant, boolean): no',
  },
  {
    stat: { type: 'instant', unit: 'boolean', exponent: 3, values: [MAX] },
    schema: '"type":"instant","unit":"boolean","base":10,"exponent":3',
    value: 'true',
    text: '(instant, * 10^3 boolean): yes',
  },
  {
    stat: { type: 'instant', unit: 'boolean', values: [0n, 1n] },
    schema: '"type":"instant","unit":"boolean","exponent":0',
    value: '[0,1]',
    text: '(instant, boolean): no',
  },
  {
    stat: { type: 'linear-histogram', unit: 'boolean', bucketSize: 1, values: [5n, 0n] },
    schema: '"type":"linear-histogram","unit":"boolean","exponent":0,"bucket-size":1',
    value: '[5,0]',
    text: '(linear-histogram, boolean, bucket size=1): yes',
  },
  {
    stat: { type: 'linear-histogram', unit: 'bytes', bucketSize: 10, values: [1n, 2n, 3n, 4n] },
    schema: '"type":"linear-histogram","unit":"bytes","exponent":0,"bucket-size":10',
    value: '[1,2,3,4]',
    text: '(linear-histogram, B, bucket size=10): [1]=4 [2]=3 [3]=2 [4]=1 ',
  },
  {
    stat: { type: 'linear-histogram', unit: 'bytes', base: 2, exponent: 10, bucketSize: 4096, values: [MAX, 0n] },
    schema: '"type":"linear-histogram","unit":"bytes","base":2,"exponent":10,"bucket-size":4096',
    value: '[18446744073709551615,0]',
    text: '(linear-histogram, KiB, bucket size=4096): [1]=0 [2]=-1 ',
  },
  {
    stat: { type: 'linear-histogram', bucketSize: 0xffff_ffff, values: [1n, 2n] },
    schema: '"type":"linear-histogram","exponent":0,"bucket-size":4294967295',
    value: '[1,2]',
    text: '(linear-histogram, bucket size=-1): [1]=2 [2]=1 ',
  },
  {
    stat: { type: 'linear-histogram', bucketSize: 0, values: [1n, 2n] },
    schema: '"type":"linear-histogram","exponent":0,"bucket-size":0',
    value: '[1,2]',
    text: '(linear-histogram, bucket size=0): [1]=2 [2]=1 ',
  },
  {
    stat: { type: 'log2-histogram', unit: 'seconds', exponent: -9, values: [1n, 0n, 3n] },
    schema: '"type":"log2-histogram","unit":"seconds","base":10,"exponent":-9',
    value: '[1,0,3]',
    text: '(log2-histogram, ns): [1]=3 [2]=0 [3]=1 ',
  },
  {
    stat: { type: 'log2-histogram', values: SEVEN },
    schema: '"type":"log2-histogram","exponent":0',
    value: '7',
    text: '(log2-histogram): 7',
  },
  {
    stat: { type: 'log2-histogram', values: [] },
    schema: '"type":"log2-histogram","exponent":0',
    value: '[]',
    text: '(log2-histogram): ',
  },
  {
    stat: { type: 'cumulative', values: [1n, 2n] },
    schema: '"type":"cumulative","exponent":0',
    value: '[1,2]',
    text: '(cumulative): [1]=2 [2]=1 ',
  },
  {
    stat: { type: 'unknown-5', values: SEVEN },
    schema: '"type":"unknown-5","exponent":0',
    value: '7',
    text: undefined,
  },
  {
    stat: { type: 'instant', unit: 'unknown-15', values: [1n, 2n] },
    schema: '"type":"instant","unit":"unknown-15","exponent":0',
    value: '[1,2]',
    text: undefined,
  },
  {
    stat: { type: 'peak', unit: 'bytes', base: 'unknown-2', exponent: 10, values: SEVEN },
    schema: '"type":"peak","unit":"bytes","base":"unknown-2","exponent":10',
    value: '7',
    text: undefined,
  },
  {
    // A schema of QEMU has it, since it looks at the base only where there is an exponent; its values never do.
    stat: { type: 'peak', base: 'unknown-15', values: SEVEN },
    schema: '"type":"peak","base":"unknown-15","exponent":0',
    value: '7',
    text: undefined,
  },
];

const folder = mkdtempSync(join(tmpdir(), 'every-stat-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const names = ROWS.map((_, index) => `s${index}`);

const FORMS = [
  { form: 'as kernels of today write it' },
  { form: 'of the other byte order', byteOrder: 'big' },
  { form: 'with its values in another order, and holes', dataOrder: [...ROWS.keys()].reverse(), gapSizeBytes: 40 },
  { form: 'with its blocks in another order', blockOrder: ['data', 'descriptors', 'id'], nameSizeBytes: 128 },
] as const;

it.each(FORMS)('everything that a file can say is right $form', async ({ form: _, ...form }) => {
  const stats = ROWS.map(({ stat }, index) => ({ name: names[index]!, ...stat }));
  const path = join(folder, 'all.bin');
  writeFileSync(path, encodeStatsFile({ id: 'kvm-1/vcpu-0', stats, ...form }));
  const read = async (...args: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await virtstat('-c', `kvm+file:${path}`, ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout;
  };
  const schemas = ROWS.map(({ schema }, index) => `{"name":"${names[index]}",${schema}}`).join();
  expect(await read('schemas', '--json')).toBe(
    `[{"domain":"kvm-1","provider":"kvm","target":"vcpu","stats":[${schemas}]}]\n`,
  );
  const values = ROWS.map(({ value }, index) => `{"name":"${names[index]}","value":${value}}`).join();
  expect((await read('query', 'vcpu', '--json')).replace(/"collected-at":"[^"]+"/, '"collected-at":""')).toBe(
    `[{"domain":"kvm-1","provider":"kvm","target":"vcpu","path":"vcpu-0","collected-at":"","via":"kvm-file","stats":[${values}]}]\n`,
  );
  const lines = ROWS.map(({ text }, index) => (text === undefined ? '' : `    ${names[index]} ${text}\n`));
  expect(await read('info', 'stats', 'vcpu')).toBe(`provider: kvm\n${lines.reverse().join('')}`);
});

it.each(ROWS.map((row, index) => ({ ...row, name: names[index]! })))(
  'a file of nothing but $stat.type $stat.unit $stat.base^$stat.exponent says $text',
  async ({ stat, text, name }) => {
    const path = join(folder, 'one.bin');
    writeFileSync(path, encodeStatsFile({ id: 'kvm-1', stats: [{ name, ...stat }] }));
    const run = await virtstat('-c', `kvm+file:${path}`, 'info', 'stats', 'vm', name, 'kvm');
    expect(run.stdout).toBe(text === undefined ? '' : `    ${name} ${text}\n`);
    expect(run.status).toBe(text === undefined ? 3 : 0);
    // For people nothing is left out, and nothing makes the text fail.
    const shown = await virtstat('-c', `kvm+file:${path}`, 'query', 'vm');
    expect(shown).toMatchObject({ status: 0, stderr: '' });
    expect(shown.stdout).toMatch(/^kvm-1 {2}kvm vm \(kvm-file\)\n {2}s\d+/);
    expect(shown.stdout).not.toMatch(/NaN|undefined|Infinity/);
  },
);
