import { DIRTY_RATE_MODES } from '../../../protocol/qmp/machine.ts';
import type { DomainFacts, Need } from '../facts.ts';
import { int, llong, type Parameters, text } from '../parameters.ts';

/** What `dirtyrate.*` is made of. */
export const DIRTYRATE_NEEDS: readonly Need[] = [
  {
    provider: 'state',
    target: 'vm',
    names: ['rate', 'rate_start_time', 'rate_calc_time', 'rate_status', 'rate_mode'].map((name) => `dirty_${name}`),
  },
];

/** `dirtyrate.*`: what was measured last and, as libvirt says it, that nobody has measured yet. Reading never starts a measurement. */
export function dirtyrateParameters(facts: DomainFacts): Parameters {
  const number = (name: string): bigint | undefined => facts.number('state', `dirty_rate${name}`);
  const status = number('_status');
  if (status === undefined) return [];
  const mode = number('_mode');
  // Before anybody has measured, libvirt says 0 for when and how long.
  const [start, period] = ['_start_time', '_calc_time'].map((name) => number(name) ?? (status === 0n ? 0n : undefined));
  return [
    ...int('dirtyrate.calc_status', status),
    ...llong('dirtyrate.calc_start_time', start),
    ...int('dirtyrate.calc_period', period),
    ...text('dirtyrate.calc_mode', mode === undefined ? undefined : DIRTY_RATE_MODES[Number(mode)]),
    ...llong('dirtyrate.megabytes_per_second', number('')),
  ];
}
