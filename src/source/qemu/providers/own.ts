import type { OfferedProvider } from '../../../model/provider.ts';
import { BalloonDevice } from '../balloon-device.ts';
import type { Monitor } from '../monitor.ts';
import { BalloonProvider } from './balloon.ts';
import { BlockProvider } from './block.ts';
import { IothreadProvider } from './iothread.ts';
import { StateProvider } from './state.ts';

/** Choices of our own providers. */
export interface OwnProviderOptions {
  /** The same QEMU stands behind every connection; so what it told of itself stays true. */
  readonly isOneProcess: boolean;
}

/** Our own providers from what a monitor tells beside `query-stats`, one file each in this folder. Nothing is asked yet. */
export function ownProviders(monitor: Monitor, options: OwnProviderOptions): readonly OfferedProvider[] {
  return [
    new StateProvider(monitor, options),
    new BalloonProvider(new BalloonDevice(monitor)),
    new BlockProvider(monitor),
    new IothreadProvider(monitor),
  ];
}
