import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VirtstatError } from '../model/errors.ts';
import type { Schema } from '../model/stat.ts';
import { Recorder, type RecorderOptions } from './recorder.ts';
import { Recording } from './recording.ts';
import { MINUTES_PER_SEGMENT } from './store.ts';

const DOMAIN = { id: 'a-1', name: 'web-1', source: 'local:' };
const SCHEMA: Schema = {
  provider: 'kvm',
  target: 'vm',
  stats: [{ name: 'exits', type: 'cumulative', exponent: 0, size: 1 }],
};
/** Sixty segments take some seconds, on a machine that does other things more. */
const SLOW_MS = 60_000;
const START_NS = 1_795_000_000_000_000_000n;

let directory: string;
let problems: VirtstatError[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'virtstat-store-'));
  problems = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const atNs = (second: number): bigint => START_NS + BigInt(second) * 1_000_000_000n;

/** Writes a segment of one sample. */
async function write(second: number, options: Partial<RecorderOptions> = {}): Promise<void> {
  const onProblem = (error: VirtstatError): void => void problems.push(error);
  await using recorder = await Recorder.open({ path: directory, everyMs: 1000, onProblem, ...options });
  const stats = [{ name: 'exits', value: BigInt(second) }];
  const sample = { domain: DOMAIN.name, provider: 'kvm', target: 'vm', via: 'qmp', collectedAtNs: atNs(second), stats };
  await recorder.add([{ domain: DOMAIN, items: [sample] }], () => SCHEMA);
}

const names = (): readonly string[] => readdirSync(directory).filter((name) => name.endsWith('.parquet'));

async function valuesThere(): Promise<readonly bigint[]> {
  await using recording = await Recording.open(directory);
  const [exits] = await recording.read({});
  return (exits?.values ?? []) as readonly bigint[];
}

const upTo = (count: number): readonly bigint[] => Array.from({ length: count }, (_, second) => BigInt(second));

describe('minutes of a directory', () => {
  it('become one segment when there are sixty, and those that follow another', { timeout: SLOW_MS }, async () => {
    for (let second = 0; second < MINUTES_PER_SEGMENT - 1; second++) await write(second);
    expect(names()).toHaveLength(MINUTES_PER_SEGMENT - 1);
    await write(MINUTES_PER_SEGMENT - 1);
    const [hour = '', ...others] = names();
    expect(others).toEqual([]);
    expect(await valuesThere()).toEqual(upTo(MINUTES_PER_SEGMENT));

    for (let second = MINUTES_PER_SEGMENT; second < 2 * MINUTES_PER_SEGMENT; second++) await write(second);
    expect(names()).toEqual([hour, expect.stringMatching(/^00000061-/)]);
    expect(await valuesThere()).toEqual(upTo(2 * MINUTES_PER_SEGMENT));
    expect(problems).toEqual([]);
  });

  it('become one without the damaged one, which is kept', { timeout: SLOW_MS }, async () => {
    for (let second = 0; second < MINUTES_PER_SEGMENT; second++) {
      if (second === MINUTES_PER_SEGMENT - 1) damage(names()[7] ?? '');
      await write(second);
    }
    expect(problems.map(({ code, message }) => [code, message.includes('.damaged')])).toEqual([
      ['RECORDING_INVALID', true],
    ]);
    const sound = upTo(MINUTES_PER_SEGMENT).filter((second) => second !== 7n);
    expect(await valuesThere()).toEqual(sound);
    expect(readdirSync(directory).filter((name) => name.endsWith('.damaged'))).toHaveLength(1);
    await write(MINUTES_PER_SEGMENT);
    expect(names()).toHaveLength(1);
    expect(await valuesThere()).toEqual([...sound, BigInt(MINUTES_PER_SEGMENT)]);
  });
});

describe('segments that were put together', () => {
  it('are looked for again by whoever was reading them', { timeout: SLOW_MS }, async () => {
    for (let second = 0; second < MINUTES_PER_SEGMENT - 1; second++) await write(second);
    await using recording = await Recording.open(directory);
    await write(MINUTES_PER_SEGMENT - 1);
    expect(names()).toHaveLength(1);
    const [exits] = await recording.read({});
    expect(exits?.values).toEqual(upTo(MINUTES_PER_SEGMENT));
    expect(recording.unusable).toEqual([]);
  });

  it('count once where a recorder was killed before it could remove them, and go with the next', async () => {
    const path = join(directory, 'r.parquet');
    const parts = `${path}.parts`;
    for (const second of [0, 1]) await write(second, { path: parts });
    const kept = join(directory, 'kept');
    cpSync(parts, kept, { recursive: true });
    await write(2, { path });
    expect(existsSync(parts)).toBe(false);
    cpSync(kept, parts, { recursive: true });
    writeFileSync(join(parts, '.unfinished-r.parquet'), 'PAR1');

    await using recording = await Recording.open(path);
    expect((await recording.read({})).map(({ values }) => values)).toEqual([[0n, 1n, 2n]]);
    await write(3, { path });
    expect(existsSync(parts)).toBe(false);
    await recording.refresh();
    expect((await recording.read({})).map(({ values }) => values)).toEqual([[0n, 1n, 2n, 3n]]);
    expect(problems).toEqual([]);
  });
});

describe('segments that are old', () => {
  it('go when they are older than they may be, and not before', async () => {
    const ageMs = 60_000;
    await write(0);
    await write(30);
    await write(60, { retention: { ageMs }, now: () => atNs(60) });
    expect(await valuesThere()).toEqual([0n, 30n, 60n]);
    await write(61, { retention: { ageMs }, now: () => atNs(60) + 1n });
    expect(await valuesThere()).toEqual([30n, 60n, 61n]);
    // The newest stays, however old it is.
    await write(62, { retention: { ageMs }, now: () => atNs(1_000_000) });
    expect(await valuesThere()).toEqual([62n]);
  });

  it('go where all together are too large, and not before', async () => {
    for (const second of [0, 1, 2]) await write(second);
    const sizeBytes = names().reduce((sum, name) => sum + readFileSync(join(directory, name)).length, 0);
    const [first = ''] = names();
    const sizeOfOne = readFileSync(join(directory, first)).length;
    await write(3, { retention: { sizeBytes: sizeBytes + sizeOfOne } });
    expect(await valuesThere()).toEqual([0n, 1n, 2n, 3n]);
    await write(4, { retention: { sizeBytes: sizeBytes + 2 * sizeOfOne - 1 } });
    expect(await valuesThere()).toEqual([1n, 2n, 3n, 4n]);
  });
});

describe('a damaged segment', () => {
  it('costs the others nothing that are read, whichever bytes are wrong', async () => {
    for (const second of [0, 1, 2]) await write(second);
    const [, second = ''] = names();
    const bytes = readFileSync(join(directory, second));
    for (let at = 4; at < bytes.length; at += 97) {
      damage(second, bytes, at);
      await using recording = await Recording.open(directory);
      const [exits] = await recording.read({});
      // Parquet has no checksums here: a wrong byte may pass for a right one, but never in another file.
      expect(exits?.values).toEqual(expect.arrayContaining([0n, 2n]));
    }
  });
});

/** Spoils bytes of a file from some place on, by default its values. */
function damage(name: string, bytes: Buffer = readFileSync(join(directory, name)), at = 4): void {
  writeFileSync(join(directory, name), Buffer.from(bytes).fill(0xff, at, Math.min(at + 60, bytes.length)));
}
