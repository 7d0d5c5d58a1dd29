import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Sample } from '../../../model/sample.ts';
import { U64_MAX } from '../../../model/u64.ts';
import { stringifyJson } from '../../json/json.ts';
import { encodeStatsFile } from '../../kvm-stats/encode.ts';
import { decodeLayout } from '../../kvm-stats/layout.ts';
import { dataBlockOf, lazyReading } from '../../kvm-stats/values.ts';
import { encodeSample } from './encode.ts';

const values = fc.oneof(
  fc.bigInt({ min: 0n, max: U64_MAX }),
  fc.bigInt({ min: 0n, max: 2n ** 54n }),
  fc.nat().map(BigInt),
  // Around every power of ten, of two words and of what a double has exactly.
  fc
    .tuple(fc.integer({ min: 0, max: 19 }), fc.constantFrom(-1n, 0n, 1n))
    .map(([digits, by]) => 10n ** BigInt(digits) + by),
  fc
    .tuple(fc.constantFrom(31n, 32n, 52n, 53n, 62n, 63n), fc.constantFrom(-1n, 0n, 1n))
    .map(([bits, by]) => 2n ** bits + by),
);
const stats = fc.record({
  name: fc.stringMatching(/^[a-z_]{1,40}$/),
  type: fc.constantFrom('cumulative' as const, 'log2-histogram' as const),
  unit: fc.constantFrom('boolean' as const, 'bytes' as const),
  values: fc.oneof(fc.array(values, { maxLength: 12 }), fc.array(fc.constant(0n), { maxLength: 12 })),
});

it('writes the text that decoded values would have', () => {
  fc.assert(
    fc.property(fc.array(stats, { maxLength: 8 }), fc.nat(3), (described, askewBytes) => {
      const file = encodeStatsFile({ id: 'kvm-1/vcpu-0', stats: described });
      const layout = decodeLayout(file);
      const block = dataBlockOf(layout, file);
      const data = new Uint8Array(block.length + askewBytes).subarray(askewBytes);
      data.set(block);
      const reading = lazyReading(layout, data, { via: 'kvm-file', collectedAtNs: 1n });
      const about = { domain: 'a', provider: 'kvm', target: 'vcpu', via: 'kvm-file', collectedAtNs: 1n };
      const packed: Sample = { ...about, stats: [], packed: reading.packed };
      expect(reading.packed).toBeDefined();
      expect(stringifyJson(encodeSample(packed))).toBe(stringifyJson(encodeSample({ ...about, stats: reading.stats })));
    }),
  );
});
