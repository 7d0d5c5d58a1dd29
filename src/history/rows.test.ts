import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Column } from './columns.ts';
import { Engine } from './duckdb.ts';
import { readRows } from './rows.ts';
import * as sql from './sql.ts';

const NUMBER: Column = { stat: 'n', kind: 'number', column: 'n' };
const LIST: Column = { stat: 'n', kind: 'list', column: 'n' };
const OBJECT = {
  time: 'make_timestamp_ns(5)',
  ...{ domain_id: "'d'", domain: "'web'", provider: "'kvm'", target: "'vm'", path: 'NULL::VARCHAR' },
  ...{ device: 'NULL::VARCHAR', via: "'kvm'" },
};

let folder: string;
let engine: Engine;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-rows-'));
  engine = await Engine.open();
});
afterEach(() => {
  engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A file with one row, whose columns are expressions. */
async function write(name: string, columns: Readonly<Record<string, string>>): Promise<string> {
  const file = join(folder, name);
  const list = Object.entries(columns).map(([column, expression]) => `${expression} AS ${column}`);
  await engine.run('writing', undefined, async (connection) => {
    await connection.run(`COPY (SELECT ${list.join(', ')}) TO ${sql.text(file)} (FORMAT parquet)`);
  });
  return file;
}

async function read(files: readonly string[], column: Column) {
  const query = { files, provider: 'kvm', target: 'vm', columns: [column], fromNs: 0n, toNs: 10n, withValues: false };
  const rows = [];
  for await (const portion of readRows(engine, query)) rows.push(...portion);
  return rows;
}

describe('a file whose columns have other types than a recorder gives them', () => {
  it.each([
    ['-1::BIGINT', NUMBER],
    ['(-1)::HUGEINT', NUMBER],
    ["'x'", NUMBER],
    ['[1]::UBIGINT[]', NUMBER],
    ["['x']", LIST],
    ['[1, NULL]::UBIGINT[]', LIST],
    ['[[1]]', LIST],
    ['[-1]', LIST],
  ])('has no value where %s is none', async (expression, column) => {
    const outcome = await read([await write('a.parquet', { ...OBJECT, n: expression })], column).catch(
      (error) => error,
    );
    // What cannot be converted at all is an error of the file.
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'RECORDING_INVALID' });
    else expect(outcome.map(({ values }: { values: unknown }) => values)).toEqual([[undefined]]);
  });

  it('changes nothing for the files beside it', async () => {
    const good = await write('a.parquet', { ...OBJECT, n: '18446744073709551615::UBIGINT' });
    const bad = await write('b.parquet', { ...OBJECT, n: '-1::BIGINT' });
    expect((await read([good, bad], NUMBER)).map(({ values }) => values)).toEqual([
      [0xffff_ffff_ffff_ffffn],
      [undefined],
    ]);
  });

  it('has its times in nanoseconds and its names as texts all the same', async () => {
    const other = { ...OBJECT, time: "TIMESTAMP '1970-01-01 00:00:00'", domain_id: '7', n: '1::UBIGINT' };
    expect(await read([await write('a.parquet', other)], NUMBER)).toMatchObject([
      { timeNs: 0n, domainId: '7', values: [1n] },
    ]);
  });
});
