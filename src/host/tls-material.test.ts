import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IssuedCertificate, TestAuthority, whyNoCertificates } from '../testing/certificates.ts';
import { MAX_PEM_BYTES, readTlsMaterial, type TlsServerFiles } from './tls-material.ts';

const why = whyNoCertificates();
let folder: string;
let authority: TestAuthority;
let right: IssuedCertificate;
let other: IssuedCertificate;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-pem-'));
  if (why !== undefined) return;
  authority = new TestAuthority(folder);
  right = authority.issue('right', 'serverAuth');
  other = authority.issue('other', 'serverAuth');
  writeFileSync(join(folder, 'noise'), 'nothing');
  writeFileSync(join(folder, 'broken.crt'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  writeFileSync(join(folder, 'large'), Buffer.alloc(MAX_PEM_BYTES + 1, 10));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is wrong: the file, and why, with the folder cut out. */
async function problems(files: Partial<TlsServerFiles>): Promise<readonly (readonly [string, string])[]> {
  const { certFile, keyFile } = right;
  const outcome = await readTlsMaterial({ certFile, keyFile, ...files }, new AbortController().signal);
  if ('material' in outcome) return [];
  return outcome.problems.map(({ file, reason }) => [file, reason.replaceAll(`${folder}/`, '')]);
}

describe.skipIf(why !== undefined)('the files of a TLS server', () => {
  it('are read where they fit', async () => {
    expect(await problems({})).toEqual([]);
    expect(await problems({ clientCaFile: authority.caFile })).toEqual([]);
  });

  it('are refused, each with its reason', async () => {
    const at = (name: string): string => join(folder, name);
    expect(await problems({ keyFile: other.keyFile })).toEqual([
      ['keyFile', 'other.key is not the key of the certificate in right.crt'],
    ]);
    expect(await problems({ certFile: at('none'), keyFile: at('noise'), clientCaFile: at('broken.crt') })).toEqual([
      ['certFile', 'none does not exist; check the path'],
      ['keyFile', 'noise has no private key in PEM form, without a passphrase'],
      ['clientCaFile', 'broken.crt has no certificate in PEM form, or a broken one'],
    ]);
    expect(await problems({ certFile: at('noise'), clientCaFile: at('noise') })).toEqual([
      ['certFile', 'noise has no certificate in PEM form'],
      ['clientCaFile', 'noise has no certificate in PEM form, or a broken one'],
    ]);
    expect(await problems({ certFile: at('large') })).toEqual([
      ['certFile', `large is larger than ${MAX_PEM_BYTES} bytes`],
    ]);
    expect(await problems({ keyFile: folder })).toEqual([['keyFile', expect.stringContaining('is no regular file')]]);
  });

  it('may not be readable', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can become somebody else');
    chmodSync(folder, 0o755);
    chmodSync(right.keyFile, 0o600);
    process.seteuid?.(65534);
    try {
      expect(await problems({})).toEqual([['keyFile', 'right.key may not be read; run as a user who may']]);
    } finally {
      process.seteuid?.(0);
    }
  });
});
