import type { PackedForm } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import {
  type ByteOrder,
  DESCRIPTOR_FIXED_BYTES,
  decodeFlags,
  HEADER_SIZE_BYTES,
  invalid,
  MAX_FILE_SIZE_BYTES,
  MAX_VALUES,
  tooLarge,
  truncated,
  VALUE_SIZE_BYTES,
} from './format.ts';
import { type ByteOrderChoice, blockAt, checkApart, decodeHeader, HEADER_BLOCK, type Header } from './header.ts';

/** What a stats file is about, as its id block says. */
export type Scope = VmScope | VcpuScope;

/** The VM as a whole. */
export interface VmScope {
  readonly target: 'vm';
  /** Thread that created the VM, where the id has the kernel's form `kvm-N`. */
  readonly threadId?: number;
}

/** One vCPU. */
export interface VcpuScope {
  readonly target: 'vcpu';
  /** KVM's number of the vCPU (the APIC id on x86), not a dense index. */
  readonly vcpuId: number;
  /** Thread that created the vCPU: the host thread that runs it, where the VMM creates vCPUs in their own threads. */
  readonly threadId: number;
}

/** Where the values of one statistic stand. */
export interface Place {
  /** From the start of the data block, in bytes; a multiple of 8. */
  readonly offsetBytes: number;
  /** How many values, 0 to 65535. */
  readonly size: number;
}

/**
 * What a stats file says about itself: everything but its values. Decoded once, good for every later sample of the same
 * file, and its descriptors are good for every file whose header and descriptors are byte-identical.
 */
export class Layout {
  /** The id block up to its NUL: `kvm-N` or `kvm-N/vcpu-M`. */
  readonly id: string;
  readonly scope: Scope;
  readonly #table: Table;

  /** Use {@link decodeLayout} or {@link LayoutCache}. */
  constructor(id: string, table: Table) {
    this.id = id;
    this.scope = parseId(id);
    this.#table = table;
  }

  /** In the kernel's order of descriptors; shared by all layouts of one {@link LayoutCache} that are alike. */
  get stats(): readonly StatDescriptor[] {
    return this.#table.stats;
  }

  /** Where the values of `stats` stand: the same index means the same statistic. Not in ascending order. */
  get places(): readonly Place[] {
    return this.#table.places;
  }

  /** Both, as one object that alike layouts share. */
  get form(): PackedForm {
    return this.#table;
  }

  /** Start of the data block in the file. */
  get dataOffset(): number {
    return this.#table.header.dataOffset;
  }

  /** From the start of the data block to the end of its last value; the file may go on after it. */
  get dataSizeBytes(): number {
    return this.#table.dataSizeBytes;
  }

  get byteOrder(): ByteOrder {
    return this.#table.header.byteOrder;
  }

  /** True where `file` (from its start, at least up to the end of the descriptors) has this header and these descriptors. */
  isSameAs(file: Uint8Array): boolean {
    return this.#table.isFoundIn(file);
  }
}

/** Header and descriptors, decoded, with the bytes that they were decoded from. */
export interface Table extends PackedForm {
  readonly header: Header;
  readonly stats: readonly StatDescriptor[];
  readonly places: readonly Place[];
  readonly dataSizeBytes: number;
  isFoundIn(file: Uint8Array): boolean;
}

/**
 * Decodes header, id and descriptors of a stats file, from the start of `file`; the data block may be missing.
 * @throws STATS_FILE_TRUNCATED, STATS_FILE_TOO_LARGE, STATS_FILE_INVALID
 */
export function decodeLayout(file: Uint8Array, byteOrder?: ByteOrderChoice): Layout {
  const header = decodeHeader(file, byteOrder);
  const table = decodeTable(file, header);
  return new Layout(decodeId(file, header), table);
}

/** The id in a file of this header. */
export function decodeId(file: Uint8Array, header: Header): string {
  if (file.length < header.id.end) throw truncated(header.id.name, header.id.end, file.length);
  return decodeText(file.subarray(header.id.start, header.id.end), 'the id');
}

/** Decodes the descriptors of a file of this header. */
export function decodeTable(file: Uint8Array, header: Header): Table {
  const { descriptors, descriptorCount, nameSizeBytes } = header;
  if (file.length < header.layoutSizeBytes) throw truncated('its layout', header.layoutSizeBytes, file.length);
  // A copy of its own (a Buffer's slice is none): the caller may use its memory again.
  const bytes = new Uint8Array(file.subarray(descriptors.start, descriptors.end));
  const view = new DataView(bytes.buffer);
  const stride = DESCRIPTOR_FIXED_BYTES + nameSizeBytes;
  const decoded = Array.from({ length: descriptorCount }, (_, index) =>
    decodeDescriptor(view, index * stride, stride, header.byteOrder === 'little'),
  );
  const places = decoded.map(({ place }) => place);
  const dataSizeBytes = checkPlaces(header, decoded);
  const headerBytes = new Uint8Array(file.subarray(0, HEADER_SIZE_BYTES));
  return {
    header,
    stats: decoded.map(({ stat }) => stat),
    places,
    dataSizeBytes,
    isFoundIn: (other) => isAt(other, 0, headerBytes) && isAt(other, descriptors.start, bytes),
  };
}

interface DecodedDescriptor {
  readonly stat: StatDescriptor;
  readonly place: Place;
}

/**
 * One descriptor:
 *
 * | offset | size      | field                                                   |
 * | ------ | --------- | ------------------------------------------------------- |
 * | 0      | u32       | flags: type, unit and base, four bits each              |
 * | 4      | s16       | exponent                                                |
 * | 6      | u16       | number of values                                        |
 * | 8      | u32       | offset of the first value in the data block, in bytes   |
 * | 12     | u32       | bucket size; means something in linear histograms only  |
 * | 16     | name size | name, ended by a NUL                                    |
 */
function decodeDescriptor(view: DataView, start: number, stride: number, little: boolean): DecodedDescriptor {
  const { type, unit, base } = decodeFlags(view.getUint32(start, little));
  const exponent = view.getInt16(start + 4, little);
  const size = view.getUint16(start + 6, little);
  const nameStart = start + DESCRIPTOR_FIXED_BYTES;
  const name = new Uint8Array(view.buffer, view.byteOffset + nameStart, stride - DESCRIPTOR_FIXED_BYTES);
  const isScaled = exponent !== 0 || typeof base !== 'number';
  return {
    stat: {
      name: decodeText(name, 'the name of a statistic'),
      type,
      ...(unit !== undefined && { unit }),
      ...(isScaled && { base }),
      exponent,
      ...(type === 'linear-histogram' && { bucketSize: view.getUint32(start + 12, little) }),
      size,
    },
    place: { offsetBytes: view.getUint32(start + 8, little), size },
  };
}

/** Refuses values that overlap each other or another block; returns how long the data block is. */
function checkPlaces(header: Header, decoded: readonly DecodedDescriptor[]): number {
  const values = decoded.reduce((sum, { place }) => sum + place.size, 0);
  if (values > MAX_VALUES) throw tooLarge('values', values, MAX_VALUES);
  const blocks = decoded.map(({ stat, place }) => {
    const label = `the value of ${JSON.stringify(stat.name)}`;
    if (place.offsetBytes % VALUE_SIZE_BYTES !== 0) {
      throw invalid(`${label} stands at ${place.offsetBytes}, which is no multiple of 8`);
    }
    return blockAt(label, header.dataOffset + place.offsetBytes, place.size * VALUE_SIZE_BYTES);
  });
  const dataSizeBytes = blocks.reduce((end, block) => Math.max(end, block.end - header.dataOffset), 0);
  if (header.dataOffset + dataSizeBytes > MAX_FILE_SIZE_BYTES) {
    throw tooLarge('bytes of data', dataSizeBytes, MAX_FILE_SIZE_BYTES);
  }
  checkApart(blocks);
  const data = blockAt('the data block', header.dataOffset, dataSizeBytes);
  checkApart([HEADER_BLOCK, header.id, header.descriptors, data]);
  return dataSizeBytes;
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Text up to the NUL that must end it. Bytes that are no UTF-8 become U+FFFD: the kernel's names are ASCII. */
function decodeText(bytes: Uint8Array, what: string): string {
  const end = bytes.indexOf(0);
  if (end < 0) throw invalid(`${what} in the stats file is not ended by a NUL within its ${bytes.length} bytes`);
  return utf8.decode(bytes.subarray(0, end));
}

/** `kvm-N/vcpu-M` is a vCPU; anything else is the VM. */
function parseId(id: string): Scope {
  const [, thread, vcpu] = /^kvm-(\d{1,10})(?:\/vcpu-(\d{1,10}))?$/.exec(id) ?? [];
  if (thread === undefined) return { target: 'vm' };
  if (vcpu === undefined) return { target: 'vm', threadId: Number(thread) };
  return { target: 'vcpu', vcpuId: Number(vcpu), threadId: Number(thread) };
}

function isAt(file: Uint8Array, start: number, wanted: Uint8Array): boolean {
  if (file.length < start + wanted.length) return false;
  // A plain loop: a host with a thousand vCPUs compares megabytes here.
  for (let index = 0; index < wanted.length; index++) if (file[start + index] !== wanted[index]) return false;
  return true;
}
