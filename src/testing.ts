/**
 * `virtstat/testing`: the fake peers that virtstat's own tests use.
 *
 * @packageDocumentation
 */

export type { StreamAddress } from './host/stream.ts';
export { FakeBalloon } from './testing/fake-balloon.ts';
export type { FakeCommand, FakeVm } from './testing/fake-commands.ts';
export { DEEP_NESTING, ENDLESS_LINE_BYTES, type FakeFault } from './testing/fake-faults.ts';
export {
  type FakeLibvirtAnswer,
  type FakeLibvirtCall,
  FakeLibvirtd,
  type FakeLibvirtdOptions,
} from './testing/fake-libvirtd.ts';
export { FakeMonitor, type FakeMonitorOptions, type FakeRequest } from './testing/fake-monitor.ts';
