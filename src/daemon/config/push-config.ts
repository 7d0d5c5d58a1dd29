import { z } from 'zod';
import type { HistogramForm } from '../../protocol/otlp/histograms.ts';
import { absolutePath, byteSize, count, duration, httpUrl, listOf, oneOf, word } from './forms.ts';

/** What is pushed to one engine, and how. */
export interface PushConfig {
  readonly protocol: 'otlp' | 'remote-write';
  /** No other push of the protocol has it. */
  readonly name: string;
  readonly url: string;
  readonly everyMs: number;
  /** For one request. */
  readonly timeoutMs: number;
  readonly profile: PushProfileName;
  /** Names, uuids, or patterns with `*` and `?`. */
  readonly domains: readonly string[];
  /** Patterns of families that are sent; absent: all. */
  readonly allow?: readonly string[];
  readonly deny: readonly string[];
  /** Bound on the series of one collection (remote write). */
  readonly maxSeries: number;
  /** Added to every series, or to the resource. */
  readonly labels: Readonly<Record<string, string>>;
  /** Only OTLP has two. */
  readonly histograms: HistogramForm;
  readonly headers: Readonly<Record<string, string>>;
  readonly headerFiles: Readonly<Record<string, string>>;
  readonly bearerTokenFile?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Absent: one in the state directory, by the push's name. */
  readonly queueDirectory?: string;
  readonly queueBytes: number;
}

const PUSH_PROFILE_NAMES = ['curated', 'full'] as const;

/** What a push may choose of all that is measured. */
export type PushProfileName = (typeof PUSH_PROFILE_NAMES)[number];

/** How many engines of each protocol are pushed to. */
export const MAX_PUSHES = 16;

const MAX_ENTRIES = 1000;
const MAX_PATH_BYTES = 4095;
const MIB = 1 << 20;

const name = word(/^[A-Za-z0-9][\w.-]{0,63}$/, 'letters, digits, ".", "_" and "-", at most 64');
const domain = word(/^[^\p{Cc}]+$/u, 'a name, a uuid, or a pattern like web-*');
const family = word(/^[\w:*]+$/, 'the name of a family, or a pattern like kvm_*');
const headerName = z.string().regex(/^[A-Za-z0-9-]{1,128}$/, { error: 'is no name of a header' });
const headerValue = word(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'printable ASCII');
const label = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, { error: 'must be lower-case letters, digits and "_"' });
const attribute = z
  .string()
  .regex(/^[a-z][a-z0-9_.]{0,127}$/, { error: 'must be lower-case letters, digits, "_" and "."' });
const text = word(/^[^\p{Cc}]+$/u, 'a text');
const file = absolutePath(MAX_PATH_BYTES, '');

/** Values by names of a form. */
function named(key: z.ZodString, value: z.ZodType<string>): z.ZodType<Record<string, string>> {
  return z.record(key, value, {
    error: (issue) => (issue.code === 'invalid_key' ? issue.issues[0]?.message : 'must be a table'),
  });
}

/** Headers that are the protocol's own. */
const OWN_HEADERS =
  /^(content-(type|encoding|length)|transfer-encoding|host|connection|x-prometheus-remote-write-version)$/i;

const COMMON = {
  endpoint: httpUrl(),
  name: name.optional(),
  every: duration(1000, 3_600_000).optional(),
  timeout: duration(100, 300_000).optional(),
  profile: oneOf(PUSH_PROFILE_NAMES).optional(),
  domains: listOf(domain, 1, MAX_ENTRIES).optional(),
  allow: listOf(family, 0, MAX_ENTRIES).optional(),
  deny: listOf(family, 0, MAX_ENTRIES).optional(),
  headers: named(headerName, headerValue).optional(),
  'header-files': named(headerName, file).optional(),
  'bearer-token-file': file.optional(),
  username: text.optional(),
  'password-file': file.optional(),
  'ca-file': file.optional(),
  'cert-file': file.optional(),
  'key-file': file.optional(),
  'queue-directory': file.optional(),
  'queue-size': byteSize(MIB, 1024 * 1024 * MIB).optional(),
};

/** What both tables have. */
interface CommonTable {
  readonly endpoint: string;
  readonly name?: string | undefined;
  readonly every?: number | undefined;
  readonly timeout?: number | undefined;
  readonly profile?: PushProfileName | undefined;
  readonly domains?: readonly string[] | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly 'header-files'?: Readonly<Record<string, string>> | undefined;
  readonly 'bearer-token-file'?: string | undefined;
  readonly username?: string | undefined;
  readonly 'password-file'?: string | undefined;
  readonly 'ca-file'?: string | undefined;
  readonly 'cert-file'?: string | undefined;
  readonly 'key-file'?: string | undefined;
  readonly 'queue-directory'?: string | undefined;
  readonly 'queue-size'?: number | undefined;
}

interface OtlpTable extends CommonTable {
  readonly histograms?: HistogramForm | undefined;
  readonly resource?: Readonly<Record<string, string>> | undefined;
}

interface RemoteWriteTable extends CommonTable {
  readonly 'max-series'?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

function tableError(issue: { readonly code?: string | undefined }): string | undefined {
  return issue.code === 'invalid_type' ? 'must be a table' : undefined;
}

function checked<T extends CommonTable>(table: z.ZodType<T>): z.ZodType<T> {
  return table
    .refine((push) => (push['cert-file'] === undefined) === (push['key-file'] === undefined), {
      path: ['cert-file'],
      error: 'is right only with key-file, and key-file with cert-file',
    })
    .refine((push) => push.username === undefined || push['bearer-token-file'] === undefined, {
      path: ['username'],
      error: 'and bearer-token-file are two ways to say who we are; choose one',
    })
    .refine((push) => push.username !== undefined || push['password-file'] === undefined, {
      path: ['password-file'],
      error: 'is right only with username',
    })
    .refine((push) => !Object.keys({ ...push.headers, ...push['header-files'] }).some((key) => OWN_HEADERS.test(key)), {
      path: ['headers'],
      error: 'name one that the protocol sets itself',
    });
}

const otlpTable: z.ZodType<OtlpTable> = z.strictObject(
  {
    ...COMMON,
    histograms: oneOf(['explicit', 'exponential']).optional(),
    resource: named(attribute, text).optional(),
  },
  { error: tableError },
);

const remoteWriteTable: z.ZodType<RemoteWriteTable> = z.strictObject(
  { ...COMMON, 'max-series': count(0, 100_000_000).optional(), labels: named(label, text).optional() },
  { error: tableError },
);

/** `[[otlp]]`. */
export const otlpTables: z.ZodType<readonly OtlpTable[]> = distinct(listOf(checked(otlpTable), 0, MAX_PUSHES));

/** `[[remote-write]]`. */
export const remoteWriteTables: z.ZodType<readonly RemoteWriteTable[]> = distinct(
  listOf(checked(remoteWriteTable), 0, MAX_PUSHES),
);

/** Two would share a queue. */
function distinct<T extends CommonTable>(list: z.ZodType<readonly T[]>): z.ZodType<readonly T[]> {
  return list.check((context) => {
    const seen = new Set<string>();
    for (const [index, push] of context.value.entries()) {
      const own = nameOf(push);
      if (seen.has(own)) {
        const message = `two pushes are named ${JSON.stringify(own)}; give one of them another name`;
        context.issues.push({ code: 'custom', input: push, path: [index, 'name'], message });
      }
      seen.add(own);
    }
  });
}

function nameOf(push: CommonTable): string {
  return push.name ?? new URL(push.endpoint).host.replaceAll(/[^\w.-]/g, '_');
}

/** The pushes of both tables, in units. */
export function pushConfigs(
  otlp: readonly OtlpTable[],
  remoteWrite: readonly RemoteWriteTable[],
): readonly PushConfig[] {
  return [
    ...otlp.map(
      (push): PushConfig => ({
        ...commonOf('otlp', push),
        labels: push.resource ?? {},
        histograms: push.histograms ?? 'explicit',
        maxSeries: Number.POSITIVE_INFINITY,
      }),
    ),
    ...remoteWrite.map(
      (push): PushConfig => ({
        ...commonOf('remote-write', push),
        labels: push.labels ?? {},
        histograms: 'explicit',
        maxSeries: push['max-series'] ?? 200_000,
      }),
    ),
  ];
}

function commonOf(
  protocol: PushConfig['protocol'],
  push: OtlpTable | RemoteWriteTable,
): Omit<PushConfig, 'labels' | 'histograms' | 'maxSeries'> {
  const optional = {
    allow: push.allow,
    bearerTokenFile: push['bearer-token-file'],
    username: push.username,
    passwordFile: push['password-file'],
    caFile: push['ca-file'],
    certFile: push['cert-file'],
    keyFile: push['key-file'],
    queueDirectory: push['queue-directory'],
  };
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  return {
    protocol,
    name: nameOf(push),
    url: push.endpoint,
    everyMs: push.every ?? 15_000,
    timeoutMs: push.timeout ?? 10_000,
    profile: push.profile ?? 'curated',
    domains: push.domains ?? ['*'],
    deny: push.deny ?? [],
    headers: push.headers ?? {},
    headerFiles: push['header-files'] ?? {},
    queueBytes: push['queue-size'] ?? 256 * MIB,
    ...(Object.fromEntries(given) as Partial<PushConfig>),
  };
}
