import { DEFAULT_DEADLINE_MS } from '../model/limits.ts';
import { LibvirtConnection } from '../source/libvirt/connection.ts';
import { CredentialsMissing, type GivenCredentials } from '../source/libvirt/credentials.ts';
import { parseLibvirtUri } from '../source/libvirt/uri.ts';
import { ask } from './question.ts';

/**
 * Connects to libvirt daemons once, and asks the person at the terminal who they are to those that want to know it by SASL and
 * that no file has credentials for. Whatever else goes wrong comes again when they are read. One behind ssh is not asked: it
 * would be started twice.
 * @throws CANCELLED where the person gives no answer
 */
export async function askForCredentials(uris: readonly string[]): Promise<ReadonlyMap<string, GivenCredentials>> {
  const tried = await Promise.all([...new Set(uris)].map(async (uri) => [uri, await missingOf(uri)] as const));
  const answers = new Map<string, GivenCredentials>();
  for (const [uri, missing] of tried) {
    if (missing === undefined) continue;
    const { host } = missing;
    const username = missing.username ?? (await ask(`user name for libvirt on ${host}: `, { isSecret: false }));
    const password = await ask(`password of ${username} for libvirt on ${host}: `, { isSecret: true });
    answers.set(uri, { username, password });
  }
  return answers;
}

async function missingOf(uri: string): Promise<CredentialsMissing | undefined> {
  try {
    if (parseLibvirtUri(uri).transport.kind === 'ssh') return undefined;
    const connection = await LibvirtConnection.open(uri, { openTimeoutMs: DEFAULT_DEADLINE_MS });
    await connection.close();
    return undefined;
  } catch (error) {
    return error instanceof CredentialsMissing ? error : undefined;
  }
}
