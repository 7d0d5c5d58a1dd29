import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate and its key, as PEM files. */
export interface IssuedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** SHA-256 of its DER form, lower-case hex. */
  readonly sha256: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** An authority that signs certificates for tests, by `openssl`, into a folder. */
export class TestAuthority {
  readonly #folder: string;
  readonly #name: string;

  /** @throws where there is no openssl 3 */
  constructor(folder: string, name: string = 'authority') {
    this.#folder = folder;
    this.#name = name;
    this.#make(name, ['-subj', `/CN=${name}`]);
  }

  /** The authority's own certificate. */
  get caFile(): string {
    return this.#path(this.#name, 'crt');
  }

  /** A certificate for a server on this host, or for a client of this common name; the file's name is the common name. */
  issue(commonName: string, use: 'serverAuth' | 'clientAuth'): IssuedCertificate {
    const extensions = ['basicConstraints=critical,CA:FALSE', `extendedKeyUsage=${use}`];
    if (use === 'serverAuth') extensions.push('subjectAltName=DNS:localhost,IP:127.0.0.1');
    const signed = ['-CA', this.caFile, '-CAkey', this.#path(this.#name, 'key')];
    this.#make(commonName, [
      '-subj',
      `/CN=${commonName}`,
      ...signed,
      ...extensions.flatMap((extension) => ['-addext', extension]),
    ]);
    const [certFile, keyFile] = [this.#path(commonName, 'crt'), this.#path(commonName, 'key')];
    const sha256 = new X509Certificate(readFileSync(certFile)).fingerprint256.replaceAll(':', '').toLowerCase();
    return { certFile, keyFile, sha256 };
  }

  #make(name: string, args: readonly string[]): void {
    const files = ['-keyout', this.#path(name, 'key'), '-out', this.#path(name, 'crt')];
    execFileSync('openssl', ['req', '-x509', ...NEW_KEY, ...files, ...args], { stdio: 'pipe' });
  }

  #path(name: string, kind: 'crt' | 'key'): string {
    return join(this.#folder, `${name}.${kind}`);
  }
}

/** Why {@link TestAuthority} cannot do its work here; undefined where it can. */
export function whyNoCertificates(): string | undefined {
  try {
    const version = execFileSync('openssl', ['version'], { encoding: 'utf8' });
    return /^OpenSSL [3-9]/.test(version) ? undefined : `openssl is too old: ${version.trim()}`;
  } catch {
    return 'openssl is not installed';
  }
}
