import type { OfferedProvider } from '../../../model/provider.ts';
import { BalloonDevice } from '../balloon-device.ts';
import type { Monitor } from '../monitor.ts';
import { BalloonProvider } from './balloon.ts';
import { IothreadProvider } from './iothread.ts';

/** Our own providers from what a monitor tells beside `query-stats`, one file each in this folder. Nothing is asked yet. */
export function ownProviders(monitor: Monitor): readonly OfferedProvider[] {
  return [new IothreadProvider(monitor), new BalloonProvider(new BalloonDevice(monitor))];
}
