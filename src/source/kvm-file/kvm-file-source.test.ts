import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FoundDomain } from '../../model/provider.ts';
import { encodeStatsFile } from '../../protocol/kvm-stats/encode.ts';
import { MACHINE_BYTE_ORDER, MAX_FILE_SIZE_BYTES } from '../../protocol/kvm-stats/format.ts';
import { MAX_CAPTURES } from './capture.ts';
import { KvmFileSource } from './kvm-file-source.ts';

const captures = join(import.meta.dirname, '../../../captures/kvm');
const call = { signal: new AbortController().signal };

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-captures-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A capture of this id, whose only value is `value`. */
function write(name: string, id: string, value = 1n): string {
  const path = join(folder, name);
  writeFileSync(path, encodeStatsFile({ id, stats: [{ name: 'a', type: 'instant', values: [value] }] }));
  return path;
}

function scan(...paths: readonly string[]): Promise<readonly FoundDomain[]> {
  return new KvmFileSource(paths.map((path) => `kvm+file:${path}`)).scan(call);
}

/** `name: path path` of every domain, sorted. */
async function describeAll(found: readonly FoundDomain[]): Promise<readonly string[]> {
  const lines = found.map(async ({ domain, providers }) => {
    const [provider] = await providers(call);
    const readings = await Promise.all(['vm', 'vcpu'].map((target) => provider!.stats(domain, { target }, call)));
    return `${domain.name}: ${readings
      .flat()
      .map(({ path }) => path ?? 'vm')
      .join(' ')}`;
  });
  return (await Promise.all(lines)).toSorted();
}

describe('which captures make a domain', () => {
  it('the captures of this package are three moments of one VM', async () => {
    const found = await scan(captures);
    expect(await describeAll(found)).toStrictEqual([
      'lab.t0: vm vcpu-0 vcpu-1',
      'lab.t1: vm vcpu-0 vcpu-1',
      'lab.t2: vm vcpu-0 vcpu-1',
    ]);
    expect(new Set(found.map(({ domain }) => domain.id)).size).toBe(3);
    expect(found[0]?.domain).toMatchObject({ vcpus: 2, source: `kvm+file:${captures}` });
  });

  it('the same files given one by one are the same domains', async () => {
    const paths = readdirSync(captures).filter((name) => name.endsWith('.t1.bin'));
    const found = await scan(...paths.map((name) => join(captures, name)), captures);
    expect((await describeAll(found))[1]).toBe('lab.t1: vm vcpu-0 vcpu-1');
    expect(found).toHaveLength(3);
  });

  it('files named by their objects alone are one domain, named by the kernel', async () => {
    write('vm.bin', 'kvm-70');
    write('vcpu-10.bin', 'kvm-72/vcpu-10');
    write('vcpu-9.raw', 'kvm-71/vcpu-9');
    expect(await describeAll(await scan(folder))).toStrictEqual(['kvm-70: vm vcpu-9 vcpu-10']);
  });

  it('files whose names say nothing are one domain while no object appears twice', async () => {
    write('first', 'kvm-71/vcpu-0');
    write('second', 'kvm-71/vcpu-1');
    expect(await describeAll(await scan(folder))).toStrictEqual(['kvm-71: vcpu-0 vcpu-1']);
    write('third.bin', 'kvm-80/vcpu-1');
    expect(await describeAll(await scan(folder))).toStrictEqual(['first: vcpu-0', 'second: vcpu-1', 'third: vcpu-1']);
  });

  it('files of different folders are different domains', async () => {
    mkdirSync(join(folder, 'b'));
    write('vm.bin', 'kvm-70');
    write('b/vm.bin', 'kvm-71');
    expect(await describeAll(await scan(folder, join(folder, 'b')))).toStrictEqual(['kvm-70: vm', 'kvm-71: vm']);
  });
});

describe('a capture', () => {
  it('is as old as its file, and is read anew for every query', async () => {
    const path = write('vcpu0.bin', 'kvm-7/vcpu-0', 1n);
    utimesSync(path, 1_700_000_000, 1_700_000_000.5);
    const [found] = await scan(path);
    const [provider] = await found!.providers(call);
    const read = () => provider!.stats(found!.domain, { target: 'vcpu' }, call);
    expect((await read())[0]).toMatchObject({ via: 'kvm-file', collectedAtNs: 1_700_000_000_500_000_000n });
    write('vcpu0.bin', 'kvm-7/vcpu-0', 2n);
    expect((await read())[0]?.stats).toStrictEqual([{ name: 'a', value: 2n }]);
    rmSync(path);
    await expect(read()).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
  });

  it('of a machine with the other byte order reads the same', async () => {
    const byteOrder = MACHINE_BYTE_ORDER === 'little' ? 'big' : 'little';
    const stats = [{ name: 'a', type: 'peak', values: [0x0102030405060708n] }];
    writeFileSync(join(folder, 'vm'), encodeStatsFile({ id: 'kvm-7', stats, byteOrder }));
    const [found] = await scan(join(folder, 'vm'));
    const [provider] = await found!.providers(call);
    const [reading] = await provider!.stats(found!.domain, { target: 'vm' }, call);
    expect(reading?.stats).toStrictEqual([{ name: 'a', value: 0x0102030405060708n }]);
  });

  it('gives schemas of what was captured, and says what was not', async () => {
    const [found] = await scan(write('vcpu0', 'kvm-7/vcpu-0'));
    const [provider] = await found!.providers(call);
    expect(await provider!.schemas(found!.domain, call)).toStrictEqual([
      { provider: 'kvm', target: 'vcpu', stats: [{ name: 'a', type: 'instant', exponent: 0, size: 1 }] },
    ]);
    expect(await found!.availability(call)).toStrictEqual([
      { provider: 'kvm', target: 'vm', via: 'kvm-file', available: false, reason: expect.any(String) },
      { provider: 'kvm', target: 'vcpu', via: 'kvm-file', available: true },
    ]);
    expect(await provider!.stats(found!.domain, { target: 'vcpu', paths: ['vcpu-1'] }, call)).toStrictEqual([]);
    expect(await provider!.stats(found!.domain, { target: 'constructor' }, call)).toStrictEqual([]);
  });
});

describe('a directory', () => {
  it('may hold as many files as the bound says, and no more', async () => {
    write('vm.bin', 'kvm-7');
    for (let index = 1; index < MAX_CAPTURES; index++) writeFileSync(join(folder, String(index)), '');
    expect((await scan(folder)).map(({ domain }) => domain.name)).toStrictEqual(['kvm-7']);
    writeFileSync(join(folder, 'one-more'), '');
    const [found] = await scan(folder);
    await expect(found!.providers(call)).rejects.toMatchObject({ code: 'STATS_FILE_TOO_LARGE' });
  }, 30_000);

  it('may hold files as large as the bound says', async () => {
    truncateSync(write('vm.bin', 'kvm-7'), MAX_FILE_SIZE_BYTES);
    expect(await describeAll(await scan(folder))).toStrictEqual(['kvm-7: vm']);
  });

  it('of large files is not held in memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let index = 0; index < 40; index++)
      truncateSync(write(`vcpu${index}.bin`, `kvm-7/vcpu-${index}`), 4 * 2 ** 20);
    collect();
    const before = process.memoryUsage().arrayBuffers;
    const [found] = await scan(folder);
    const [provider] = await found!.providers(call);
    const readings = await provider!.stats(found!.domain, { target: 'vcpu' }, call);
    collect();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40 * 2 ** 20);
    expect(readings).toHaveLength(40);
    expect(found!.domain.vcpus).toBe(40);
  });
});

describe('what cannot be used', () => {
  const failureOf = async (found: FoundDomain | undefined): Promise<unknown> =>
    found!.providers(call).catch((error) => error);

  it('in a directory is skipped where it is no stats file, and fails alone where it is a broken one', async () => {
    copyFileSync(join(captures, 'lab-vm.t0.json'), join(folder, 'vm.json'));
    writeFileSync(join(folder, 'empty.bin'), '');
    execFileSync('mkfifo', [join(folder, 'pipe.bin')]);
    write('vm.bin', 'kvm-7');
    truncateSync(write('vcpu0.bin', 'kvm-7/vcpu-0'), 100);
    const found = await scan(folder);
    expect(found.map(({ domain }) => domain.name)).toStrictEqual(['kvm-7', 'vcpu0']);
    expect(await failureOf(found[1])).toMatchObject({
      code: 'STATS_FILE_TRUNCATED',
      message: expect.stringContaining('vcpu0.bin'),
      cause: { code: 'STATS_FILE_TRUNCATED' },
    });
  });

  it.each([
    ['a path that does not exist', 'PATH_NOT_FOUND', 'nothing'],
    ['a directory without any', 'STATS_FILE_INVALID', '.'],
    ['a file of another kind', 'STATS_FILE_INVALID', 'other'],
    ['a short file', 'STATS_FILE_TRUNCATED', 'short'],
    ['a pipe', 'STATS_FILE_UNREADABLE', 'pipe'],
    ['a file beyond the bound', 'STATS_FILE_TOO_LARGE', 'large'],
  ])('%s is a domain that fails, beside others that do not', async (_, code, name) => {
    writeFileSync(join(folder, 'other'), 'some text that is longer than a header');
    writeFileSync(join(folder, 'short'), 'text');
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    truncateSync(write('large', 'kvm-7'), MAX_FILE_SIZE_BYTES + 1);
    const path = join(folder, name);
    const found = await scan(join(captures, 'lab-vm.t0.bin'), path);
    expect(found.map(({ domain }) => domain.name)).toStrictEqual(['lab.t0', `kvm+file:${path}`]);
    expect(await failureOf(found[1])).toMatchObject({ code });
    await expect(found[1]!.describe(call)).rejects.toMatchObject({ code });
  });

  it('a URI without a path is refused at once', () => {
    expect(() => new KvmFileSource(['kvm+file:'])).toThrow(expect.objectContaining({ code: 'URI_INVALID' }));
  });
});
