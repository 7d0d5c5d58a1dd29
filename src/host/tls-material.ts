import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { VirtstatError } from '../model/errors.ts';
import { readBounded } from './files.ts';

/** The PEM files of a TLS server. */
export interface TlsServerFiles {
  /** Its certificate, with those between it and the authority behind it. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities whose certificates identify clients; absent: none does. */
  readonly clientCaFile?: string;
}

/** What is in {@link TlsServerFiles}. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa?: Buffer;
}

/** What is wrong with one of the files, as a sentence without its subject. */
export interface TlsFileProblem {
  readonly file: keyof TlsServerFiles;
  readonly reason: string;
}

/** The largest PEM file that is read, in bytes. */
export const MAX_PEM_BYTES: number = 1 << 20;

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Reads the files and sees whether a server can use them; with everything that is wrong where it cannot. */
export async function readTlsMaterial(
  files: TlsServerFiles,
  signal: AbortSignal,
): Promise<{ readonly material: TlsMaterial } | { readonly problems: readonly TlsFileProblem[] }> {
  const problems: TlsFileProblem[] = [];
  const read = async (file: keyof TlsServerFiles): Promise<Buffer | undefined> => {
    const path = files[file];
    if (path === undefined) return undefined;
    try {
      const content = await readBounded(path, { maxSizeBytes: MAX_PEM_BYTES, signal });
      if (content !== undefined) return Buffer.from(content.bytes);
      problems.push({ file, reason: `${path} is larger than ${MAX_PEM_BYTES} bytes` });
    } catch (error) {
      problems.push({ file, reason: VirtstatError.from(error, 'INTERNAL', `reading ${path} failed`).message });
    }
    return undefined;
  };
  const [cert, key, clientCa] = await Promise.all([read('certFile'), read('keyFile'), read('clientCaFile')]);
  const certificate = cert && certificateIn(cert, files.certFile, problems);
  const privateKey = key && keyIn(key, files.keyFile, problems);
  if (clientCa !== undefined) authoritiesIn(clientCa, files.clientCaFile ?? '', problems);
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    problems.push({
      file: 'keyFile',
      reason: `${files.keyFile} is not the key of the certificate in ${files.certFile}`,
    });
  }
  if (cert === undefined || key === undefined || problems.length > 0) return { problems };
  const material = { cert, key, ...(clientCa && { clientCa }) };
  const reason = complaintAbout(material);
  return reason === undefined ? { material } : { problems: [{ file: 'certFile', reason }] };
}

function certificateIn(pem: Buffer, path: string, problems: TlsFileProblem[]): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    problems.push({ file: 'certFile', reason: `${path} has no certificate in PEM form` });
    return undefined;
  }
}

function keyIn(pem: Buffer, path: string, problems: TlsFileProblem[]): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    problems.push({ file: 'keyFile', reason: `${path} has no private key in PEM form, without a passphrase` });
    return undefined;
  }
}

function authoritiesIn(pem: Buffer, path: string, problems: TlsFileProblem[]): void {
  const blocks = pem.toString('latin1').match(PEM_CERTIFICATE) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
    if (blocks.length > 0) return;
  } catch {
    // Told below.
  }
  problems.push({ file: 'clientCaFile', reason: `${path} has no certificate in PEM form, or a broken one` });
}

/** What the TLS library has against it: a key that it holds to be weak, for one. */
function complaintAbout({ cert, key, clientCa }: TlsMaterial): string | undefined {
  try {
    createSecureContext({ cert, key, ...(clientCa && { ca: clientCa }) });
    return undefined;
  } catch (error) {
    return `cannot be used for TLS: ${error instanceof Error ? error.message : String(error)}`;
  }
}
