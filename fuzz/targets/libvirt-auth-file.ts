import fc from 'fast-check';
import { AuthFile, type StoredCredentials } from '../../src/protocol/libvirt/auth-file.ts';
import { attempt, bytesOf, type FuzzTarget, must, mustEqual } from '../target.ts';

/** Stands in every password here; no message may have it, but for one that tells the name of a group. */
const SECRET = 'hunter';

const HOSTS = ['localhost', 'h', 'nowhere'] as const;

function check(input: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
  const parse = (whole: string) => AuthFile.parse(whole, 'auth.conf');
  const hidden = <T>(work: () => T) =>
    attempt(() => {
      try {
        return work();
      } catch (error) {
        const message = (error as Error).message.replace(/\[credentials-[^\]]*\]?.*$/, '');
        must(!message.includes(SECRET), 'a message has what stands in the file');
        throw error;
      }
    }, ['LIBVIRT_AUTH_FAILED']);
  const outcome = hidden(() => parse(text));
  if ('code' in outcome) return 'refused';
  const found = HOSTS.map((host) => hidden(() => outcome.value.find('libvirt', host)));
  for (const each of found) {
    if ('code' in each || each.value === undefined) continue;
    mustEqual(written(each.value), each.value, 'credentials change when they are written');
  }
  // Comments and other lines change nothing.
  const more = parse(`# a\n\n${text}\n  # b\n[another]\nx=y`);
  mustEqual(
    HOSTS.map((host) => hidden(() => more.find('libvirt', host))),
    found,
    'what is for nobody counts',
  );
  return found
    .map((each) => ('code' in each ? 'wrong' : each.value === undefined ? 'none' : Object.keys(each.value).join()))
    .join(' ');
}

function written(credentials: StoredCredentials): StoredCredentials | undefined {
  const escaped = (value: string): string =>
    value
      .replaceAll('\\', '\\\\')
      .replaceAll('\n', '\\n')
      .replaceAll('\r', '\\r')
      .replaceAll('\t', '\\t')
      .replaceAll(' ', '\\s')
      // Blanks of other kinds would not be read before a value.
      .replace(/^[\v\f]+/, '');
  const entries = Object.entries(credentials).map(([key, value]) => `${key}=${escaped(value)}\n`);
  return AuthFile.parse(`[credentials-a]\n${entries.join('')}[auth-libvirt-h]\ncredentials=a\n`, 'x').find(
    'libvirt',
    'h',
  );
}

const WORDS = [
  ...['[credentials-a]\n', '[credentials-b]\n', '[auth-libvirt-localhost]\n', '[auth-libvirt-default]\n'],
  ...['[auth-libvirt-h]\n', '[auth-esx-h]\n', 'credentials=a\n', 'credentials=b\n', 'credentials=c\n'],
  ...[
    'authname=joe\n',
    `password=${SECRET}\n`,
    `password=\\s${SECRET}\\\\\n`,
    `password=${SECRET}\\x\n`,
    'authname=\n',
  ],
  ...['# note\n', '; note\n', `; ${SECRET}=1\n`, `${SECRET}\n`, 'realm = x\n', 'a[de]=b\n', 'a b = c d \n'],
  ...[
    '\\s',
    '\\n',
    '\\\\',
    '\\',
    '=',
    '[',
    ']',
    '\n',
    '\r\n',
    ' ',
    '\t',
    '\0',
    '#',
    '\xff',
    '\xef\xbb\xbf',
    '\xe2\x80\xa8',
  ],
];

/** libvirt's files of a client's credentials. */
export const libvirtAuthFile: FuzzTarget = {
  name: 'libvirt-auth-file',
  words: WORDS,
  inputs: fc
    .oneof(
      fc
        .array(fc.constantFrom(...WORDS.filter((word) => word.endsWith('\n'))), { maxLength: 12 })
        .map((words) => words.join('')),
      fc.array(fc.constantFrom(...WORDS), { maxLength: 16 }).map((words) => `[credentials-a]\n${words.join('')}`),
    )
    .map(bytesOf),
  check,
};
