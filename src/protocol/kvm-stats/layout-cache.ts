import { type ByteOrderChoice, decodeHeader } from './header.ts';
import { decodeId, decodeTable, Layout, type Table } from './layout.ts';

/** How many different tables of descriptors are kept: a host has two, one for VMs and one for vCPUs. */
export const MAX_CACHED_TABLES = 16;

/**
 * Decodes layouts so that all files with the same header and descriptors share them: the kernel has one table for all
 * vCPUs of a host, so thousands of vCPUs cost one table and an id each.
 */
export class LayoutCache {
  readonly #tables: Table[] = [];

  /**
   * As {@link decodeLayout}, without decoding descriptors that were seen before. Bytes are compared, not trusted.
   * @throws STATS_FILE_TRUNCATED, STATS_FILE_TOO_LARGE, STATS_FILE_INVALID
   */
  decode(file: Uint8Array, byteOrder?: ByteOrderChoice): Layout {
    const header = decodeHeader(file, byteOrder);
    const known = this.#tables.find((table) => table.header.byteOrder === header.byteOrder && table.isFoundIn(file));
    const table = known ?? decodeTable(file, header);
    const layout = new Layout(decodeId(file, header), table);
    if (known === undefined) this.#keep(table);
    return layout;
  }

  #keep(table: Table): void {
    if (this.#tables.length === MAX_CACHED_TABLES) this.#tables.shift();
    this.#tables.push(table);
  }
}
