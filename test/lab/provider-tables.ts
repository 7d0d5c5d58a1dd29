// `npm run docs`: writes the tables of docs/providers.md anew, from the schemas of VMs that it starts. As root, where a tap can
// be made.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Schema } from '../../src/model/stat.ts';
import { unitText } from '../../src/protocol/hmp/unit-text.ts';
import { ownSchemas } from './measured-vm.ts';

const PAGE = new URL('../../docs/providers.md', import.meta.url);
const BEGIN = '<!-- What follows is written by `npm run docs`. -->';

/** The page with these schemas in place of those that it had. */
export function withTables(page: string, schemas: readonly Schema[]): string {
  const [prose = ''] = page.split(BEGIN, 1);
  return `${prose}${BEGIN}\n\n${schemas.map(tableOf).join('\n')}`;
}

/** One schema as a heading and a table of Markdown. */
export function tableOf({ provider, target, stats }: Schema): string {
  const rows = stats.map(
    (stat) => `| \`${stat.name}\` | ${stat.type} | ${unitText(stat).replace(/^\* /, '') || 'a number'} |`,
  );
  return [
    `### \`${provider}\`, target \`${target}\``,
    '',
    '| stat | type | unit |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

if (import.meta.main) writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), await ownSchemas()));
