import { readTlsMaterial, type TlsServerFiles } from '../../host/tls-material.ts';
import type { Finding } from './schema.ts';
import type { TomlTable } from './toml.ts';

const KEYS: Readonly<Record<keyof TlsServerFiles, string>> = {
  certFile: 'cert-file',
  keyFile: 'key-file',
  clientCaFile: 'client-ca-file',
};

/** What is wrong with the files that the table `tls` names, beside what `findings` know of it. */
export async function wrongTlsFiles(
  settings: TomlTable,
  findings: readonly Finding[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const tls = settings['tls'] as Readonly<Record<string, unknown>> | undefined;
  if (findings.some(({ path }) => path[0] === 'tls')) return [];
  const files = Object.fromEntries(
    Object.entries(KEYS).flatMap(([file, key]) => (typeof tls?.[key] === 'string' ? [[file, tls[key]]] : [])),
  ) as Partial<TlsServerFiles>;
  const { certFile, keyFile } = files;
  if (certFile === undefined || keyFile === undefined) return [];
  const outcome = await readTlsMaterial({ ...files, certFile, keyFile }, signal);
  const problems = 'problems' in outcome ? outcome.problems : [];
  return problems.map(({ file, reason }) => ({ path: ['tls', KEYS[file]], reason }));
}
