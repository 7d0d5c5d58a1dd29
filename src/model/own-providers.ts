/**
 * Our own providers: what they measure, no monitor's `query-stats` tells. Where a face or a verb promises QEMU's own answer to
 * QEMU's own question, they stay away; any other provider is taken for QEMU's.
 */
export const OWN_PROVIDERS: ReadonlySet<string> = new Set([
  'balloon',
  'block',
  'interface',
  'iothread',
  'process',
  'state',
]);
