import { describe, expect, it } from 'vitest';
import { corpusOf } from './corpus.ts';
import { fuzz, shrink, tryOnce } from './fuzz.ts';
import { MAX_INPUT_BYTES } from './mutate.ts';
import { bytesOf, Defect, type FuzzTarget, latin1 } from './target.ts';
import { TARGETS } from './targets.ts';

/** Inputs that are made for each target: some seconds in all. */
const INPUTS = 300;
const SEED = 20261121;

async function run(target: FuzzTarget, inputs: number, seed: number) {
  const corpus = corpusOf(target.name).map(({ bytes }) => bytes);
  const tried: Uint8Array[] = [];
  const defects: string[] = [];
  const summary = await fuzz({
    ...{ target, corpus, seed },
    isDone: (count) => count >= corpus.length + inputs,
    onInput: (input) => tried.push(input),
    onDefect: (input, error) => void defects.push(`${JSON.stringify(latin1(input).slice(0, 500))} ${error}`),
  });
  return { ...summary, tried, defects };
}

describe.each(TARGETS)('$name', (target) => {
  it.each(corpusOf(target.name))('takes or refuses $name as it should', async ({ bytes }) => {
    await expect(tryOnce(target, bytes)).resolves.toEqual(expect.any(String));
  });

  it(`holds what it must on ${INPUTS} made inputs`, async () => {
    const { defects, outcomes, tried } = await run(target, INPUTS, SEED);
    expect(defects).toEqual([]);
    // A target of which always the same comes would find nothing.
    expect(outcomes).toBeGreaterThan(4);
    expect(Math.max(...tried.map(({ length }) => length))).toBeLessThanOrEqual(MAX_INPUT_BYTES);
  });

  it('tries the same inputs with the same seed, and others with another', async () => {
    const [first, second, third] = [await run(target, 20, 1), await run(target, 20, 1), await run(target, 20, 2)];
    expect(second.tried).toEqual(first.tried);
    expect(third.tried).not.toEqual(first.tried);
  });
});

describe('a defect', () => {
  /** Does not hold for what has an A somewhere before a Z. */
  const broken: FuzzTarget = {
    ...(TARGETS[0] as FuzzTarget),
    words: ['A', 'Z', 'x'],
    check: (input) => {
      if (/A[\s\S]*Z/.test(latin1(input))) throw new Defect(`found: ${latin1(input)}`);
      return 'fine';
    },
  };

  it('is found, and told with its input', async () => {
    const found: string[] = [];
    await fuzz({
      ...{ target: broken, corpus: [bytesOf('A Z')], seed: 3 },
      isDone: (inputs) => inputs >= 500,
      onDefect: (input) => void found.push(latin1(input)),
    });
    expect(found.length).toBeGreaterThan(1);
    for (const each of found) expect(each).toMatch(/A[\s\S]*Z/);
  });

  it('keeps its input only as far as it needs it', async () => {
    const input = bytesOf(`${'x'.repeat(300)}A${'y'.repeat(500)}Z${'z'.repeat(100)}`);
    expect(latin1(await shrink(broken, input, new Defect('found: it')))).toBe('AZ');
  });

  it('is made short within a time', async () => {
    const input = bytesOf(`${'x'.repeat(300)}A${'y'.repeat(500)}Z`);
    expect(await shrink(broken, input, new Defect('found: it'), 0)).toEqual(input);
  });

  /** Keeps a processor as long as an input asks for, in milliseconds. */
  const slow = (cpuMs: (input: string) => number): FuzzTarget => ({
    ...broken,
    check: (input) => {
      const [start, limit] = [process.threadCpuUsage().user, 1000 * cpuMs(latin1(input))];
      while (process.threadCpuUsage().user - start < limit);
      return 'done';
    },
  });

  it('is also what takes too long', async () => {
    await expect(
      tryOnce(
        slow(() => 60),
        bytesOf(''),
        50,
      ),
    ).rejects.toThrow(/^takes \d+ ms, more than 50$/);
  });

  it('is not what took long once', async () => {
    let times = 0;
    await expect(
      tryOnce(
        slow(() => (times++ === 0 ? 60 : 1)),
        bytesOf(''),
        50,
      ),
    ).resolves.toBe('done');
    expect(times).toBe(2);
  });

  it('may be near where the slowest input takes long, so that is told', async () => {
    const target = slow((text) => (text === 'slow' ? 60 : 0));
    const { slowestCpuMs } = await fuzz({
      ...{ target, corpus: [bytesOf('fast'), bytesOf('slow'), bytesOf('fast')], seed: 1 },
      isDone: () => true,
      onDefect: () => undefined,
    });
    expect(slowestCpuMs).toBeGreaterThanOrEqual(60);
    expect(slowestCpuMs).toBeLessThan(600);
  });
});
