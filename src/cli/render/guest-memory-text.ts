import type { GuestMemory, GuestMemoryStatus } from '../../model/guest-memory.ts';
import type { DomainAnswer } from '../../registry/answer.ts';
import { domainNames } from '../domain-names.ts';
import type { Paint, Style } from '../terminal.ts';
import { scaled } from './scaled.ts';
import { tableLines } from './table.ts';
import { printable } from './text.ts';

const HEADER = ['NAME', 'STATUS', 'AGE', 'TOTAL', 'USED', 'AVAILABLE', 'FREE', 'CACHES', 'BALLOON', 'ASKED'];
const UNKNOWN = '-';
const BYTES = { unit: 'bytes', exponent: 0 };
const SECONDS = { unit: 'seconds', exponent: 0 };
const MILLISECONDS_PER_NS = 1_000_000n;

const STYLES: Partial<Record<GuestMemoryStatus, Style>> = {
  reporting: 'green',
  'never-answered': 'yellow',
  silent: 'red',
};

/** Where there is nothing that could be asked. */
const NOT_KNOWN: ReadonlySet<GuestMemoryStatus> = new Set<GuestMemoryStatus>(['no-device', 'unavailable']);

/**
 * A table of guests' memory in human units; below each guest, indented, what there is to say about it. Used is what is not
 * available, since caches are given back when somebody wants them.
 */
export function guestMemoryText(answers: readonly DomainAnswer<GuestMemory>[], paint: Paint): string {
  const nameOf = domainNames(answers.map(({ domain }) => domain));
  const shown = answers.flatMap(({ domain, items }) => items.map((memory) => ({ name: nameOf(domain), memory })));
  if (shown.length === 0) return '';
  const rows = shown.map(({ name, memory }) => row(name, memory, paint));
  const right = new Set([2, 3, 4, 5, 6, 7, 8]);
  const [header = '', ...lines] = tableLines([HEADER, ...rows], { right });
  const blocks = shown.flatMap(({ memory: { reason } }, index) => [
    lines[index] ?? '',
    ...(reason === undefined ? [] : [paint('dim', printable(`  ${reason}`))]),
  ]);
  return `${[paint('bold', header), ...blocks].join('\n')}\n`;
}

function row(name: string, memory: GuestMemory, paint: Paint): readonly string[] {
  const { status, ageNs, balloonSizeBytes, pollingIntervalSeconds, stats } = memory;
  const bytesOf = (stat: string): bigint | undefined => {
    const value = stats.find((each) => each.name === stat)?.value;
    return typeof value === 'bigint' ? value : undefined;
  };
  const [total, available] = [bytesOf('stat-total-memory'), bytesOf('stat-available-memory')];
  // A guest may say anything: what makes no sense is not shown as if it did.
  const used = total !== undefined && available !== undefined && available <= total ? total - available : undefined;
  const style = STYLES[status];
  return [
    printable(name),
    style === undefined ? status : paint(style, status),
    ageNs === undefined ? UNKNOWN : ageText(ageNs),
    ...[total, used, available, bytesOf('stat-free-memory'), bytesOf('stat-disk-caches'), balloonSizeBytes].map(bytes),
    NOT_KNOWN.has(status) ? UNKNOWN : asked(pollingIntervalSeconds),
  ];
}

function asked(intervalSeconds: bigint | undefined): string {
  if (intervalSeconds === undefined) return UNKNOWN;
  return intervalSeconds === 0n ? 'never' : `every ${intervalSeconds} s`;
}

/** QEMU gives the time of the answer in whole seconds: more digits would say nothing. */
function ageText(ageNs: bigint): string {
  return scaled(ageNs / MILLISECONDS_PER_NS / 1000n, SECONDS);
}

function bytes(value: bigint | undefined): string {
  return value === undefined ? UNKNOWN : scaled(value, BYTES);
}
