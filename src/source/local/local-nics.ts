import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { Nic } from '../qemu/nics.ts';

/** The NICs of a VM on this host, by the best word that can be had. */
export class LocalNics {
  readonly #configured: readonly Nic[];
  readonly #ask: ((options: CallOptions) => Promise<readonly Nic[]>) | undefined;
  #told: readonly Nic[] | undefined;

  /** `configured` are those of the command line; `ask` asks the monitor, where there is one. */
  constructor(configured: readonly Nic[], ask: ((options: CallOptions) => Promise<readonly Nic[]>) | undefined) {
    this.#configured = configured;
    this.#ask = ask;
  }

  /** As the monitor tells, else as it told last, else as the command line says. @throws DOMAIN_GONE, CANCELLED */
  async get(options: CallOptions): Promise<readonly Nic[]> {
    if (this.#ask === undefined) return this.#configured;
    try {
      return (this.#told = await this.#ask(options));
    } catch (error) {
      if (VirtstatError.is(error) && (error.code === 'DOMAIN_GONE' || error.code === 'CANCELLED')) throw error;
      return this.#told ?? this.#configured;
    }
  }
}
