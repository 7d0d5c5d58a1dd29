import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeStatsFile } from './values.ts';

const folder = join(import.meta.dirname, '../../../captures/kvm');
const captures = readdirSync(folder).filter((name) => name.endsWith('.bin'));

/** The JSON beside a capture, in the kernel's own terms. */
interface Golden {
  readonly id: string;
  readonly data_bytes: number;
  readonly header: { readonly data_offset: number };
  readonly stats: readonly {
    readonly name: string;
    readonly type: string;
    readonly unit: string;
    readonly base: string;
    readonly exponent: number;
    readonly size: number;
    readonly offset: number;
    readonly value: string | readonly string[];
  }[];
}

const words: Readonly<Record<string, string>> = { 'log-hist': 'log2-histogram', 'linear-hist': 'linear-histogram' };

it('there are captures', () => {
  expect(captures).toHaveLength(9);
});

it.each(captures)('%s decodes to the JSON beside it', (name) => {
  const golden = JSON.parse(readFileSync(join(folder, name.replace(/bin$/, 'json')), 'utf8')) as Golden;
  const { layout, stats } = decodeStatsFile(readFileSync(join(folder, name)));
  expect(layout.id).toBe(golden.id);
  expect([layout.dataOffset, layout.dataSizeBytes]).toStrictEqual([golden.header.data_offset, golden.data_bytes]);
  expect(layout.places.map(({ offsetBytes }) => offsetBytes)).toStrictEqual(golden.stats.map(({ offset }) => offset));
  expect(layout.stats).toStrictEqual(
    golden.stats.map(({ name, type, unit, base, exponent, size }) => ({
      name,
      type: words[type] ?? type,
      ...(unit !== 'none' && { unit }),
      ...(exponent !== 0 && { base: base === 'pow2' ? 2 : 10 }),
      exponent,
      size,
    })),
  );
  expect(stats).toStrictEqual(
    golden.stats.map(({ name, unit, value }) => ({
      name,
      value: typeof value !== 'string' ? value.map(BigInt) : unit === 'boolean' ? value !== '0' : BigInt(value),
    })),
  );
});
