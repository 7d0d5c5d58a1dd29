import type { Availability, Domain } from '../../model/domain.ts';
import type { ListAnswer } from '../../registry/answer.ts';
import type { Paint } from '../terminal.ts';
import { tableLines } from './table.ts';
import { printable } from './text.ts';

const HEADER = ['NAME', 'UUID', 'STATE', 'VCPUS', 'PID', 'VMM', 'SOURCE', 'READABLE'];
const UNKNOWN = '-';

/** A table of domains; below each, indented, what cannot be read of it and why. */
export function listText(answers: readonly ListAnswer[], paint: Paint): string {
  const listed = answers.filter(({ items, errors }) => items.length > 0 || errors.length === 0);
  if (listed.length === 0) return '';
  const [header = '', ...lines] = tableLines([HEADER, ...listed.map(({ domain, items }) => domainRow(domain, items))], {
    right: new Set([3, 4]),
  });
  const blocks = listed.flatMap(({ items }, index) => [lines[index] ?? '', ...reasonLines(items, paint)]);
  return `${[paint('bold', header), ...blocks].join('\n')}\n`;
}

function domainRow({ name, uuid, state, vcpus, pid, vmm, source }: Domain, items: readonly Availability[]): string[] {
  const readable = items
    .filter(({ available }) => available)
    .map(({ provider, target, via }) => `${provider} ${target} (${via})`)
    .join(', ');
  return [
    name,
    uuid,
    state,
    vcpus,
    pid,
    vmm && `${vmm.name} ${vmm.version}`,
    source,
    readable === '' ? undefined : readable,
  ].map((cell) => printable(String(cell ?? UNKNOWN)));
}

function reasonLines(items: readonly Availability[], paint: Paint): string[] {
  return items
    .filter(({ available }) => !available)
    .map(({ provider, target, reason }) =>
      paint('yellow', printable(`  no ${provider} ${target}: ${reason ?? 'no reason is known'}`)),
    );
}
