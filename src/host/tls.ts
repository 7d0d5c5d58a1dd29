import { readFile } from 'node:fs/promises';
import { isIP, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import type { StreamAddress, TlsFiles } from './stream.ts';

/**
 * Reads the PEM files of a TLS address and returns what starts the connection. The peer's certificate is always checked,
 * against `caFile` or the system's list.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, TLS_FAILED for a file that cannot be read
 */
export async function connectTls(address: Extract<StreamAddress, { kind: 'tls' }>): Promise<() => Socket> {
  const { host, port } = address;
  const pem = await readPem(address);
  return () => {
    try {
      return connect({
        host,
        port,
        ...pem,
        ...(isIP(host) === 0 && { servername: host }),
        // Whatever the environment tells the platform.
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
      });
    } catch (error) {
      throw VirtstatError.from(error, 'TLS_FAILED', `TLS with ${host}:${port} cannot begin`);
    }
  };
}

async function readPem(files: TlsFiles): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer }> {
  const [ca, cert, key] = await Promise.all([files.caFile, files.certFile, files.keyFile].map(readOptional));
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

async function readOptional(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    const code = systemErrorCode(error);
    const known = code === 'ENOENT' ? 'PATH_NOT_FOUND' : code === 'EACCES' ? 'ACCESS_DENIED' : 'TLS_FAILED';
    throw new VirtstatError(known, `cannot read the TLS file ${path}: ${code}`, { cause: error });
  }
}
