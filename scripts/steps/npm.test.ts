import { describe, expect, it } from 'vitest';
import { npmComplaint } from './npm.js';

describe('npmComplaint', () => {
  it('is the first sentence among the errors', () => {
    const output = [
      'npm warn deprecated something@1.0.0',
      'npm error code ENOTFOUND',
      'npm error syscall getaddrinfo',
      'npm error errno ENOTFOUND',
      'npm error network request to https://registry.example/x failed',
      'npm error A complete log of this run can be found in: y',
    ];
    expect(npmComplaint(output.join('\n'))).toBe('network request to https://registry.example/x failed');
  });

  it('is the end of the output where npm names no error', () => {
    expect(npmComplaint('Killed\n')).toBe('Killed');
  });
});
