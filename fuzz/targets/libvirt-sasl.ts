import { createHmac, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import type { ErrorCode } from '../../src/model/errors.ts';
import { authenticateSasl } from '../../src/protocol/libvirt/sasl.ts';
import { ScramSha256 } from '../../src/protocol/libvirt/scram.ts';
import type { LibvirtSession } from '../../src/protocol/libvirt/session.ts';
import { bytesOf, codeOf, type FuzzTarget, latin1, must, outcomeOf } from '../target.ts';

const CREDENTIALS = { username: 'us,er=', password: 'pencil' };
const ERRORS: readonly ErrorCode[] = ['LIBVIRT_AUTH_FAILED'];

/** What stands in an input for what only the other side can know: the client's nonce, and the server's proof. */
const NONCE = '@NONCE@';
const PROOF = '@PROOF@';

/** Fewer rounds than a server may ask for, so that an input does not take long; the rest is beyond every check. */
const MAX_ROUNDS = 20_000;

/** The server's proof, worked out a second time: undefined where there was no right challenge. */
function proofOf(clientFirst: string, serverFirst: string, clientFinal: string): string | undefined {
  const [, salt, rounds] = /,s=([^,]+),i=(\d+)/.exec(serverFirst) ?? [];
  if (salt === undefined || Number(rounds) > MAX_ROUNDS) return undefined;
  const salted = pbkdf2Sync(CREDENTIALS.password, Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256');
  const hmac = (key: Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const exchange = [clientFirst.slice(3), serverFirst, clientFinal.replace(/,p=.*/, '')].join();
  return hmac(hmac(salted, 'Server Key'), exchange).toString('base64');
}

function isSlow(text: string): boolean {
  return [...text.matchAll(/\d+/g)].some(([digits]) => Number(digits) > MAX_ROUNDS && Number(digits) <= 1_000_000);
}

/** The mechanism alone: two challenges. It is satisfied by the right proof and by nothing else. */
async function scram(challenges: readonly string[]): Promise<string> {
  const mechanism = new ScramSha256(CREDENTIALS, 'nonce');
  const said = [latin1(mechanism.begin())];
  const heard: string[] = [];
  try {
    for (const challenge of challenges) {
      const proof = proofOf(said[0] ?? '', heard[0] ?? '', said[1] ?? '');
      const text = challenge.replaceAll(NONCE, 'nonce').replaceAll(PROOF, proof ?? 'none');
      heard.push(text);
      const answer = latin1(await mechanism.step(Buffer.from(text)));
      said.push(answer);
      must(!answer.includes(CREDENTIALS.password), 'the password is shown');
      const isProved =
        heard.length > 1 &&
        proof !== undefined &&
        Buffer.from(/^v=([^,]*)/.exec(text)?.[1] ?? '', 'base64').equals(Buffer.from(proof, 'base64'));
      must(mechanism.isComplete === isProved, `satisfied: ${mechanism.isComplete}, by a right proof: ${isProved}`);
      if (mechanism.isComplete) return 'proved';
    }
    return `open ${said.length}`;
  } catch (error) {
    must(!mechanism.isComplete, 'satisfied by what it refuses');
    return String(codeOf(error, ERRORS));
  }
}

/** The whole exchange with a server that says these things, and is satisfied at that one of them. */
async function exchange(mechanisms: string, challenges: readonly string[], complete: number): Promise<string> {
  const said: string[] = [];
  const heard: string[] = [];
  let [calls, chosen] = [0, ''];
  const session: Pick<LibvirtSession, 'call'> = {
    call: async (procedure, args) => {
      calls++;
      must(calls <= 12, 'an exchange has no end');
      const { mechanism, data } = (args ?? {}) as { readonly mechanism?: string; readonly data?: Uint8Array };
      if (data === undefined) return mechanisms as never;
      chosen = mechanism ?? chosen;
      said.push(latin1(data));
      const nonce = /r=([^,]*)/.exec(said[0] ?? '')?.[1] ?? '';
      const proof = proofOf(said[0] ?? '', heard[0] ?? '', said[1] ?? '') ?? 'none';
      const text = (challenges[heard.length] ?? '').replaceAll(NONCE, nonce).replaceAll(PROOF, proof);
      heard.push(text);
      must(procedure.name === (said.length === 1 ? 'AUTH_SASL_START' : 'AUTH_SASL_STEP'), `calls ${procedure.name}`);
      return { complete: heard.length > complete ? 1 : 0, nil: text === '', data: Buffer.from(text) } as never;
    },
  };
  try {
    await authenticateSasl(session as LibvirtSession, CREDENTIALS, {});
  } catch (error) {
    return codeOf(error, ERRORS);
  }
  const isProved = heard.some((text, index) => index > 0 && /^v=/.test(text));
  must(chosen === 'PLAIN' || isProved, 'lets a server in that proves nothing');
  return `${chosen} in`;
}

async function check(input: Uint8Array): Promise<string> {
  const [mechanisms = '', ...challenges] = latin1(input).split('\n');
  if (challenges.some(isSlow)) return 'too many rounds to try';
  const complete = mechanisms.length % 4;
  return outcomeOf([await scram(challenges), await exchange(mechanisms, challenges, complete)]);
}

const salt = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const first = fc
  .tuple(
    fc.constantFrom(`${NONCE}more`, `${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`, NONCE, 'other', `x${NONCE}`),
    salt,
    fc.constantFrom('4096', '4096', '4097', '4095', '0', '1000001', '99999999999', '-1', '0x1000'),
    fc.constantFrom('', '', ',x=1', ',m=none'),
  )
  .map(([nonce, salted, rounds, more]) => `r=${nonce},s=${salted},i=${rounds}${more}`);
const last = fc.oneof(
  fc.constantFrom(
    `v=${PROOF}`,
    `v=${PROOF}`,
    `v=${PROOF},x=1`,
    'e=invalid-proof',
    'v=',
    'v=AAAA',
    `v=${'A'.repeat(43)}=`,
    '',
  ),
  fc.string({ maxLength: 20 }),
);
const mechanisms = fc.constantFrom(
  'SCRAM-SHA-256',
  'SCRAM-SHA-256,PLAIN',
  'GSSAPI SCRAM-SHA-256',
  'PLAIN',
  '',
  'DIGEST-MD5',
  ', ,',
);

/** What a server may say while it lets the client in by SASL: its mechanisms, then what it answers to each step. */
export const libvirtSasl: FuzzTarget = {
  name: 'libvirt-sasl',
  words: [NONCE, PROOF, 'r=', ',s=', ',i=', '4096', 'v=', '=', ',', '\n', 'SCRAM-SHA-256', 'PLAIN', 'c2FsdA=='],
  inputs: fc
    .tuple(mechanisms, fc.array(fc.oneof(first, last), { maxLength: 2 }), first, last)
    .map(([names, odd, ...right]) => bytesOf([names, ...(odd.length > 1 ? odd : right), ...odd].join('\n'))),
  check,
};
