import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { parse } from 'lossless-json';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING } from '../src/protocol/libvirt/constants.ts';
import { formatDomStats } from '../src/protocol/libvirt/domstats-text.ts';
import { DOMAIN_GET_STATE } from '../src/protocol/libvirt/procedures.ts';
import type { LibvirtStatsRecord } from '../src/protocol/libvirt/stats-connection.ts';
import { LibvirtConnection } from '../src/source/libvirt/connection.ts';
import { findDomain } from '../src/source/libvirt/lookup.ts';
import { virtstat } from './lab/cli.ts';
import { type LibvirtLab, startLibvirt, whyNoLibvirt } from './lab/libvirt.ts';
import { defineFour } from './lab/libvirt-four.ts';

/** The one that has libvirt's bindings. */
const PYTHON = '/usr/bin/python3';
const LIMIT_MS = 60_000;

const run = async (program: string, args: readonly string[]): Promise<string> => {
  const env = { ...process.env, LC_ALL: 'C.UTF-8' };
  const { stdout } = await promisify(execFile)(program, args, { timeout: LIMIT_MS, maxBuffer: 2 ** 26, env });
  return stdout;
};
const virsh = (...args: readonly string[]): Promise<string> => run('virsh', ['-c', uri, ...args]);

const whyNot = whyNoLibvirt();
let lab: LibvirtLab | undefined;
/** Of a libvirtd whose domains are paused, or shut off. */
let uri: string;

function need(context: TestContext): void {
  if (whyNot !== undefined) context.skip(whyNot);
}

beforeAll(async () => {
  if (whyNot !== undefined) return;
  lab = await startLibvirt();
  uri = lab.uri;
  await defineFour(lab, `vsc${process.pid % 100_000}`);
}, LIMIT_MS);

afterAll(() => lab?.stop());

/** Paused domains still cost their VMM some time: a number may lie between what the other saw before and after. */
function between(text: string, before: string, after: string): string {
  const [first, last] = [before.split('\n'), after.split('\n')];
  const lines = text.split('\n').map((line, index) => {
    const [low = '', high = ''] = [first[index], last[index]];
    const [name, value] = line.split('=', 2);
    const isMoving = [line, low, high].every((each) => /^ {2}[^=]+=\d+$/.test(each) && each.split('=')[0] === name);
    if (!isMoving || value === undefined) return line;
    const [least, most] = [low, high].map((each) => BigInt(each.split('=')[1] ?? ''));
    return least !== undefined && most !== undefined && least <= BigInt(value) && BigInt(value) <= most ? high : line;
  });
  return lines.join('\n');
}

/** What `virtstat domstats` prints is what virsh prints, given the same words. */
async function expectSame(...words: readonly string[]): Promise<void> {
  const before = await virsh('domstats', ...words);
  const { status, stdout, stderr } = await virtstat('-c', uri, 'domstats', ...words);
  const after = await virsh('domstats', ...words);
  expect([status, stderr]).toEqual([0, '']);
  expect(between(stdout, before, after)).toBe(after);
}

const GROUPS = [
  'state',
  'cpu-total',
  'balloon',
  'vcpu',
  'interface',
  'block',
  'perf',
  'iothread',
  'memory',
  'dirtyrate',
  'vm',
];
const FILTERS = ['active', 'inactive', 'persistent', 'transient', 'running', 'paused', 'shutoff', 'other'];

describe('virtstat domstats and the real virsh', () => {
  for (const words of [
    [],
    ...GROUPS.map((group) => [`--${group}`]),
    ...FILTERS.map((filter) => [`--list-${filter}`, '--state']),
    ['--list-active', '--list-inactive', '--state', '--vm'],
    ['--raw'],
    ['--nowait'],
    ['--backing', '--block'],
    ['--enforce', '--state', '--block'],
    ['--enforce', '--list-active', '--vm'],
    ['--raw', '--backing', '--nowait', '--list-paused'],
  ]) {
    it(`print the same for domstats ${words.join(' ')}`, async (context) => {
      need(context);
      await expectSame(...words);
    });
  }

  it('print the same from the socket that only reads', async (context) => {
    need(context);
    const { status, stdout, stderr } = await virtstat('-c', lab?.readOnlyUri ?? '', 'domstats', '--state', '--block');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toBe(await virsh('domstats', '--state', '--block'));
  });

  it('fail in the same words where a stopped domain cannot have a group', async (context) => {
    need(context);
    const [, said = ''] =
      /^error: (argument unsupported: .*)$/m.exec(await failureOf(virsh('domstats', '--vm', '--enforce'))) ?? [];
    expect(said).not.toBe('');
    const ours = await virtstat('-c', uri, 'domstats', '--vm', '--enforce');
    expect(ours).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining(said) });
  });

  it('find domains by name, uuid and id, twice and in order', async (context) => {
    need(context);
    const names = (await virsh('-q', 'list', '--all', '--name')).split('\n').filter((name) => name !== '');
    const name = names.at(-1) ?? '';
    const uuid = (await virsh('-q', 'domuuid', name)).trim();
    const [id = ''] = (await virsh('-q', 'list', '--id')).split('\n');
    await expectSame('--state', name, uuid, id, name);
    await expectSame(id, '--list-inactive', '--state', uuid);
    await expectSame('--domain', name);
  });

  it('fail on the same words', async (context) => {
    need(context);
    const failures = [['nope'], ['--state', '99999'], ['00000000-0000-4000-8000-000000000000'], ['']];
    for (const words of failures) {
      await expect(virsh('domstats', ...words)).rejects.toThrow();
      expect(await virtstat('-c', uri, 'domstats', ...words)).toMatchObject({ status: 3, stdout: '' });
    }
    expect(await virtstat('-c', uri, 'domstats', '--bogus')).toMatchObject({ status: 2, stdout: '' });
  });
});

/** What a run that fails says. */
async function failureOf(work: Promise<string>): Promise<string> {
  return work.then(
    () => '',
    (error: { readonly stderr: string }) => error.stderr,
  );
}

/** What libvirt's own bindings give, as JSON with all digits. */
async function pythonStats(): Promise<readonly { readonly name: string; readonly params: Record<string, unknown> }[]> {
  const script = `import json, libvirt, sys
records = libvirt.openReadOnly(sys.argv[1]).getAllDomainStats()
print(json.dumps([{"name": domain.name(), "params": params} for domain, params in records]))`;
  return parse(await run(PYTHON, ['-c', script, uri]), null, (digits) =>
    /^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits),
  ) as Awaited<ReturnType<typeof pythonStats>>;
}

describe('LibvirtConnection and libvirt’s own bindings', () => {
  it('give the same domains, fields and values', async (context) => {
    need(context);
    const hasBindings = await run(PYTHON, ['-c', 'import libvirt']).then(
      () => true,
      () => false,
    );
    if (!hasBindings) context.skip('libvirt’s bindings for Python are not installed');
    await using connection = await LibvirtConnection.open(uri);
    const before = await pythonStats();
    const ours = await connection.getAllDomainStats();
    const after = await pythonStats();
    const asText = (records: typeof before): string =>
      records.map(({ name, params }) => [`'${name}'`, ...Object.entries(params).map(lineOf)].join('\n')).join('\n');
    const mine = ours.map(({ domain, params }) => ({
      name: domain.name,
      params: Object.fromEntries(params.map(({ field, type, value }) => [field, plain(type, value)])),
    }));
    expect(between(asText(mine), asText(before), asText(after))).toBe(asText(after));
    expect(ours.flatMap(({ params }) => params).length).toBeGreaterThan(50);
  });

  it('have the types that were captured of another host’s domains', async (context) => {
    need(context);
    const file = new URL('./fixtures/libvirt/9.0-typed-wire.json', import.meta.url);
    const captured = JSON.parse(readFileSync(file, 'utf8')) as readonly Pick<LibvirtStatsRecord, 'params'>[];
    const general = (field: string): string => field.replaceAll(/\.\d+(?=\.|$)/g, '.N');
    const typesOf = (records: typeof captured) =>
      new Map(records.flatMap(({ params }) => params.map(({ field, type }) => [general(field), type])));
    await using connection = await LibvirtConnection.open(uri);
    const flags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING;
    const [ours, theirs] = [typesOf(await connection.getAllDomainStats(0, flags)), typesOf(captured)];
    const known = [...ours].filter(([field]) => theirs.has(field));
    expect(known.length).toBeGreaterThan(50);
    expect(known).toEqual(known.map(([field]) => [field, theirs.get(field)]));
    // What the kernel names differs from kernel to kernel.
    const ofKernel = /^(vcpu\.N|vm)\.\w+\.(sum|cur|max)$/;
    expect([...ours.keys()].filter((field) => !theirs.has(field) && !ofKernel.test(field))).toEqual([]);
  });

  it('agree on who is there', async (context) => {
    need(context);
    await using connection = await LibvirtConnection.open(uri);
    const domains = await connection.listAllDomains();
    const names = (await virsh('-q', 'list', '--all', '--name')).split('\n').filter((name) => name !== '');
    expect(domains.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(await connection.getHostname()).toBe((await virsh('-q', 'hostname')).trim());
    for (const domain of domains) {
      expect((await virsh('-q', 'domuuid', domain.name)).trim()).toBe(domain.uuid);
      expect((await findDomain(connection, domain.uuid))?.id).toBe(domain.id);
      expect(await connection.call(DOMAIN_GET_STATE, { domain, flags: 0 })).toMatchObject({
        state: domain.id === -1 ? 5 : 3,
      });
    }
  });

  it('read the same of one domain as of all', async (context) => {
    need(context);
    await using connection = await LibvirtConnection.open(uri);
    const all = await connection.getAllDomainStats(1);
    const each = await connection.domainListGetStats(
      all.map(({ domain }) => domain),
      1,
    );
    expect(formatDomStats(each)).toBe(formatDomStats(all));
  });
});

function lineOf([field, value]: readonly [string, unknown]): string {
  return `  ${field}=${value}`;
}

/** Python has one kind of integer. */
function plain(type: string, value: unknown): unknown {
  return type === 'int' || type === 'uint' ? BigInt(value as number) : value;
}
