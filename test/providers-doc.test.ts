import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ownSchemas } from './lab/measured-vm.ts';
import { tableOf } from './lab/provider-tables.ts';
import { whyNoVm } from './lab/qemu.ts';

const PAGE = readFileSync(new URL('../docs/providers.md', import.meta.url), 'utf8');

describe('docs/providers.md', () => {
  it('has every stat of every provider, with its type and unit', async (context) => {
    const reason = process.getuid?.() === 0 ? whyNoVm() : 'a tap takes root';
    if (reason !== undefined) context.skip(reason);
    const schemas = await ownSchemas();
    expect(schemas.length).toBeGreaterThan(6);
    const missing = schemas.flatMap((schema) => {
      const [heading = '', ...rows] = tableOf(schema)
        .split('\n')
        .filter((line) => line !== '');
      const section = PAGE.slice(Math.max(0, PAGE.indexOf(`${heading}\n`)));
      const [own = ''] = section.slice(1).split('\n### ', 1);
      return PAGE.includes(`${heading}\n`) ? rows.filter((row) => !own.includes(row)) : [heading];
    });
    expect(missing).toEqual([]);
  });
});
