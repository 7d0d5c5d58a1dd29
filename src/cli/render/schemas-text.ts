import type { Schema, StatDescriptor } from '../../model/stat.ts';
import { unitText } from '../../protocol/hmp/unit-text.ts';
import type { SchemaAnswer } from '../../registry/answer.ts';
import { domainNames } from '../domain-names.ts';
import type { Paint } from '../terminal.ts';
import { tableLines } from './table.ts';
import { printable } from './text.ts';

const HEADER = ['NAME', 'TYPE', 'UNIT', 'BUCKETS'];

/** A table for each schema; one that several domains share stands there once and names them. */
export function schemasText(answers: readonly SchemaAnswer[], paint: Paint): string {
  const nameOf = domainNames(answers.map(({ domain }) => domain));
  const blocks = new Map<string, { schema: Schema; domains: string[] }>();
  for (const { domain, items } of answers) {
    for (const schema of items) {
      const key = JSON.stringify(schema);
      const block = blocks.get(key) ?? { schema, domains: [] };
      block.domains.push(nameOf(domain));
      blocks.set(key, block);
    }
  }
  return [...blocks.values()].map((block) => blockText(block.schema, block.domains, paint)).join('\n');
}

function blockText({ provider, target, stats }: Schema, domains: readonly string[], paint: Paint): string {
  const title = `${paint('bold', printable(`${provider} ${target}`))}  ${paint('dim', printable(domains.join(', ')))}`;
  const rows = stats.map((stat) => [stat.name, stat.type, unitText(stat), bucketsText(stat)].map(printable));
  const [header = '', ...lines] = tableLines([HEADER, ...rows], { indent: '  ' });
  return `${[title, paint('dim', header), ...lines].join('\n')}\n`;
}

/** How many values a stat has and how wide its buckets are, as far as it is more than one number. */
function bucketsText({ size, bucketSize }: StatDescriptor): string {
  const count = size === undefined || size === 1 ? '' : String(size);
  const width = bucketSize === undefined ? '' : `of ${bucketSize}`;
  return [count, width].filter((text) => text !== '').join(' ');
}
