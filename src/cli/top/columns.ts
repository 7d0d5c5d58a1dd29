import { VirtstatError } from '../../model/errors.ts';
import { nearest } from '../../registry/check.ts';
import { type FigureSource, unitTitle } from './figures.ts';
import type { Offers, OfferWanted } from './offers.ts';

/** A column of figures. */
export interface Column {
  /** As `--columns` has it. */
  readonly id: string;
  readonly title: string;
  /** Of a domain the first that has a figure; none: what every row knows of itself, its age. */
  readonly sources: readonly FigureSource[];
  /** More of them, where a row is one object of a domain. */
  readonly ofObjects?: readonly FigureSource[];
  /** True for the total of what only grows, in place of its rate. */
  readonly isTotal?: boolean;
  /** What to say in place of the figure. */
  readonly words?: ReadonlyMap<number, string>;
}

/** The most columns that are taken, and the longest text that names them. */
export const MAX_COLUMNS = 64;

/** The column of how old a row's samples are. */
export const AGE = 'age';

/** Run states as provider `state` numbers them, which are libvirt's. */
const STATES: ReadonlyMap<number, string> = new Map([
  [1, 'running'],
  [2, 'blocked'],
  [3, 'paused'],
  [4, 'ending'],
  [5, 'off'],
  [6, 'crashed'],
  [7, 'asleep'],
]);

const block = (...names: readonly string[]): FigureSource => ({ target: 'block', provider: 'block', names });
const nic = (...names: readonly string[]): FigureSource => ({ target: 'interface', provider: 'interface', names });
const process = (target: string, name: string): FigureSource => ({ target, provider: 'process', names: [name] });
const balloon = (name: string, less?: string): FigureSource => ({
  target: 'vm',
  provider: 'balloon',
  names: [name],
  ...(less !== undefined && { less }),
});

/** Times of a thread that stands for an object of its own. */
const threads = (name: string): readonly FigureSource[] => [process('vcpu', name), process('iothread', name)];

/**
 * The columns that have a short name. They are a preference, and all that is known here of any stat: one that a domain does
 * not have leaves its place empty.
 */
export const PRESETS: readonly Column[] = [
  {
    id: 'state',
    title: 'STATE',
    sources: [{ target: 'vm', provider: 'state', names: ['state'] }],
    words: STATES,
  },
  { id: 'cpu', title: 'CPU%', sources: [process('vm', 'cpu_time')], ofObjects: threads('run_time') },
  {
    id: 'delay',
    title: 'DELAY%',
    sources: [process('vcpu', 'run_delay')],
    ofObjects: [process('iothread', 'run_delay')],
  },
  { id: 'exits', title: 'EXITS/s', sources: [{ target: 'vcpu', provider: 'kvm', names: ['exits'] }] },
  { id: 'mem', title: 'MEM', sources: [balloon('stat-total-memory', 'stat-available-memory')] },
  { id: 'disk', title: 'DISK/s', sources: [block('rd_bytes', 'wr_bytes')] },
  { id: 'net', title: 'NET/s', sources: [nic('rx_bytes', 'tx_bytes')] },
  { id: AGE, title: 'AGE', sources: [] },
  { id: 'rss', title: 'RSS', sources: [process('vm', 'rss')] },
  { id: 'time', title: 'TIME', sources: [process('vm', 'cpu_time')], ofObjects: threads('run_time'), isTotal: true },
  { id: 'balloon', title: 'BALLOON', sources: [balloon('balloon-size')] },
  { id: 'read', title: 'READ/s', sources: [block('rd_bytes')] },
  { id: 'write', title: 'WRITE/s', sources: [block('wr_bytes')] },
  { id: 'iops', title: 'IOPS', sources: [block('rd_operations', 'wr_operations')] },
  { id: 'rx', title: 'RX/s', sources: [nic('rx_bytes')] },
  { id: 'tx', title: 'TX/s', sources: [nic('tx_bytes')] },
  { id: 'vcpus', title: 'VCPUS', sources: [{ target: 'vm', provider: 'state', names: ['vcpu_current'] }] },
];

/** What is shown where nobody chooses, what matters most first: what there is no room for is left out. */
export const DEFAULT_COLUMNS = 'state,cpu,delay,exits,mem,disk,net,age,rss,read,write,rx,tx,time,balloon';

/** The stats that columns need of whole domains. */
export function wantedBy(columns: readonly Column[]): readonly OfferWanted[] {
  return columns.flatMap(({ sources }) =>
    sources.flatMap(({ names, less, target, provider }) =>
      [...names, ...(less === undefined ? [] : [less])].map((name) => ({
        name,
        ...(target !== undefined && { target }),
        ...(provider !== undefined && { provider }),
      })),
    ),
  );
}

/**
 * The columns that a comma-separated list names: short names of {@link PRESETS}, and stats as `STAT`, `PROVIDER:STAT` or
 * `PROVIDER:TARGET:STAT`, which must be among the offers.
 * @throws USAGE for an empty list, or one that is too long; UNKNOWN_STAT with the nearest names
 */
export function parseColumns(text: string, offers: Offers): readonly Column[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes(''))
    throw new VirtstatError('USAGE', `an empty name stands in the columns ${JSON.stringify(text)}`);
  const ids = [...new Set(words)];
  if (ids.length > MAX_COLUMNS) throw new VirtstatError('USAGE', `more than ${MAX_COLUMNS} columns were named`);
  return ids.map((id) => PRESETS.find((preset) => preset.id === id) ?? columnOf(id, offers));
}

/** True where every column has a short name, so that no schema is needed to tell what it is. */
export function areAllPresets(text: string): boolean {
  return text.split(',').every((word) => PRESETS.some(({ id }) => id === word.trim()));
}

function columnOf(id: string, offers: Offers): Column {
  const parts = id.split(':');
  const [name = '', provider, target] =
    parts.length < 3 ? parts.toReversed() : [parts.slice(2).join(':'), parts[0], parts[1]];
  const where = { ...(provider !== undefined && { provider }), ...(target !== undefined && { target }) };
  const [offer] = offers.find({ name, ...where });
  if (offer === undefined) throw unknown(id, name, offers);
  return { id, title: `${name}${unitTitle(offer.stat)}`, sources: [{ names: [name], ...where }] };
}

function unknown(id: string, name: string, offers: Offers): VirtstatError {
  const near = nearest(name, [...offers.names, ...PRESETS.map((preset) => preset.id)]);
  const hint = near.length === 0 ? '' : `; did you mean ${near.join(', ')}?`;
  return new VirtstatError('UNKNOWN_STAT', `no column and no stat is named ${JSON.stringify(id)}${hint}`);
}
