import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CONFIG_KEYS, type ConfigKey } from './keys.ts';

const DOCS = new URL('../../../docs/virtstatd.md', import.meta.url);

/** A key's row in the table of the documentation. */
function row({ name, variable, help, default: value, defaultText, needsRestart }: ConfigKey): string {
  const standard = defaultText ?? `\`${JSON.stringify(value)}\``;
  return `| \`${name}\` | \`${variable}\` | ${help} | ${standard} | ${needsRestart ? 'restart' : 'reload'} |`;
}

it('docs/virtstatd.md has every key as it is, and no other', () => {
  const rows = readFileSync(DOCS, 'utf8')
    .split('\n')
    .filter((line) => line.includes('| `VIRTSTATD_'));
  expect(rows).toEqual(CONFIG_KEYS.map(row));
});
