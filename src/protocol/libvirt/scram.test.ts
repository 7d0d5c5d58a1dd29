import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ScramSha256 } from './scram.ts';

const FAILED = { code: 'LIBVIRT_AUTH_FAILED' };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** The example of RFC 7677, section 3. */
const RFC = {
  username: 'user',
  password: 'pencil',
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

/** What a server answers to a first message, as far as the password goes. */
function serverSide(password: string, authMessage: string, salt: Buffer, iterations: number) {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (key: Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
  return {
    clientSignature: hmac(storedKey, authMessage),
    storedKey,
    signature: hmac(hmac(salted, 'Server Key'), authMessage).toString('base64'),
  };
}

async function provenExample(): Promise<ScramSha256> {
  const scram = new ScramSha256(RFC, RFC.nonce);
  scram.begin();
  await scram.step(bytes(RFC.serverFirst));
  return scram;
}

describe('ScramSha256', () => {
  it('speaks the example of RFC 7677', async () => {
    const scram = new ScramSha256(RFC, RFC.nonce);
    expect(text(scram.begin())).toBe(RFC.clientFirst);
    expect(text(await scram.step(bytes(RFC.serverFirst)))).toBe(RFC.clientFinal);
    expect(scram.isComplete).toBe(false);
    expect(text(await scram.step(bytes(RFC.serverFinal)))).toBe('');
    expect(scram.isComplete).toBe(true);
  });

  it('proves any password to a server that knows it', async () => {
    const password = 'pass\u00a0wörd ⅷ';
    const scram = new ScramSha256({ username: 'a=b,c', password });
    const first = text(scram.begin());
    const nonce = /^n,,n=a=3Db=2Cc,r=(.+)$/.exec(first)?.[1] ?? '';
    expect(nonce.length).toBeGreaterThanOrEqual(32);
    const salt = Buffer.from('salt of the earth');
    const serverFirst = `r=${nonce}server,s=${salt.toString('base64')},i=4096`;
    const [, withoutProof = '', proof = ''] = /^(.*),p=(.*)$/.exec(text(await scram.step(bytes(serverFirst)))) ?? [];
    const authMessage = `${first.slice(3)},${serverFirst},${withoutProof}`;
    const server = serverSide('pass wörd viii', authMessage, salt, 4096);
    const clientKey = Buffer.from(proof, 'base64').map(
      (byte, index) => byte ^ (server.clientSignature[index] as number),
    );
    expect(createHash('sha256').update(clientKey).digest()).toEqual(server.storedKey);
    await scram.step(bytes(`v=${server.signature}`));
    expect(scram.isComplete).toBe(true);
  });

  it('uses another nonce every time', () => {
    const first = (): string => text(new ScramSha256(RFC).begin());
    expect(first()).not.toBe(first());
  });

  it.each([
    ['nothing', ''],
    ['another nonce', 'r=somebodyelse,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['our nonce alone', `r=${RFC.nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['too few rounds', RFC.serverFirst.replace('4096', '4095')],
    ['too many rounds', RFC.serverFirst.replace('4096', '1000001')],
    ['rounds without end', RFC.serverFirst.replace('4096', '99999999999')],
    ['no salt', RFC.serverFirst.replace('W22ZaJ0SNY7soEsUEjb6gQ==', '')],
    ['an extension that must be understood', `m=x,${RFC.serverFirst}`],
    ['an error', 'e=unknown-user'],
  ])('refuses a server that begins with %s', async (_, challenge) => {
    const scram = new ScramSha256(RFC, RFC.nonce);
    scram.begin();
    await expect(scram.step(bytes(challenge))).rejects.toMatchObject(FAILED);
  });

  it.each([
    ['that does not know the password', 'v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='],
    ['whose proof is cut', 'v=6rri'],
    ['that refuses us', 'e=invalid-proof'],
    ['that says nothing', ''],
  ])('refuses a server %s', async (_, last) => {
    const scram = await provenExample();
    await expect(scram.step(bytes(last))).rejects.toMatchObject(FAILED);
    expect(scram.isComplete).toBe(false);
  });
});
