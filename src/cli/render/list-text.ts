import type { Availability, Domain } from '../../model/domain.ts';
import type { ListAnswer } from '../../registry/answer.ts';
import type { Paint } from '../terminal.ts';
import { tableLines } from './table.ts';
import { printable } from './text.ts';

const HEADER = ['NAME', 'UUID', 'STATE', 'VCPUS', 'PID', 'VMM', 'SOURCE'];
const UNKNOWN = '-';
const INDENT = '  ';

/** A table of domains; below each, indented, what can be read of it by which way, and what cannot be read and why. */
export function listText(answers: readonly ListAnswer[], paint: Paint): string {
  const listed = answers.filter(({ items, errors }) => items.length > 0 || errors.length === 0);
  if (listed.length === 0) return '';
  const [header = '', ...lines] = tableLines([HEADER, ...listed.map(({ domain }) => domainRow(domain))], {
    right: new Set([3, 4]),
  });
  const blocks = listed.flatMap(({ items }, index) => [
    lines[index] ?? '',
    ...readableLines(items, paint),
    ...reasonLines(items, paint),
  ]);
  return `${[paint('bold', header), ...blocks].join('\n')}\n`;
}

function domainRow({ name, uuid, state, vcpus, pid, vmm, source }: Domain): string[] {
  return [name, uuid, state, vcpus, pid, vmm && `${vmm.name} ${vmm.version}`, source].map((cell) =>
    printable(String(cell ?? UNKNOWN)),
  );
}

/** A line for each way. */
function readableLines(items: readonly Availability[], paint: Paint): string[] {
  const readable = items.filter(({ available }) => available);
  return grouped(readable, ({ via }) => via).map(([via, offers]) =>
    paint('dim', printable(`${INDENT}${offers} (${via})`)),
  );
}

/** A line for each reason: what keeps several away is told once. What is read all the same lacks a part. */
function reasonLines(items: readonly Availability[], paint: Paint): string[] {
  const missing = items.filter(({ available }) => !available);
  const readable = new Set(items.filter(({ available }) => available).map(offerText));
  return grouped(missing, ({ reason }) => reason ?? 'no reason is known').map(([reason, offers]) =>
    paint('yellow', printable(`${INDENT}${readable.has(offers) ? 'not all of' : 'no'} ${offers}: ${reason}`)),
  );
}

/** The offers that have something in common, as they are called, in the order in which they came. */
function grouped(
  items: readonly Availability[],
  keyOf: (item: Availability) => string,
): readonly (readonly [key: string, offers: string])[] {
  return [...Map.groupBy(items, keyOf)].map(([key, group]) => [key, group.map(offerText).join(', ')]);
}

/** One word where the provider is called as its target. */
function offerText({ provider, target }: Availability): string {
  return provider === target ? provider : `${provider} ${target}`;
}
