import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createKvmVm, MAX_VCPUS } from './kvm-vm.ts';

const options = { image: '/no/such/image', imageAddress: 0x7c00, memoryBytes: 128 * 1024, vcpus: 1 };

describe.runIf(process.arch === 'x64')('createKvmVm', () => {
  it.each([0, MAX_VCPUS + 1, 1.5, Number.NaN])('refuses %d vCPUs, for which there are no threads', (vcpus) => {
    expect(() => createKvmVm({ ...options, vcpus })).toThrow(/1 to 2 vCPUs/);
  });

  it('refuses an image that is not there, or has no room, before it asks for anything', () => {
    expect(() => createKvmVm(options)).toThrow(expect.objectContaining({ code: 'DEMO_FAILED' }));
    const image = fileURLToPath(import.meta.url);
    expect(() => createKvmVm({ ...options, image, memoryBytes: 0x7c00 + 16 })).toThrow(/no room in 16 bytes/);
  });
});
