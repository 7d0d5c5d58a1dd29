import { z } from 'zod';
import type { HostPort } from '../../host/tcp-listening.ts';
import { type Accounts, type Config, DEFAULT_WEB_ADDRESS, FACE_NAMES, LOG_LEVELS, PROFILE_NAMES } from './config.ts';
import { absolutePath, count, duration, fileMode, hostPort, listOf, oneOf, size, word, yesOrNo } from './forms.ts';
import { otlpTables, pushConfigs, remoteWriteTables } from './push-config.ts';

/** How many sources one daemon reads. */
export const MAX_SOURCES = 1024;

/** How many rules there may be. */
export const MAX_RULES = 1000;

/** How long each list in a rule may be. */
export const MAX_RULE_ENTRIES = 1000;

/** The shortest and the longest interval of polling a balloon, in milliseconds. */
const POLL_RANGE_MS = [1000, 86_400_000] as const;

/** A socket's whole path has at most 107 bytes: this leaves room for `/qmp/` and a name. */
export const MAX_RUNTIME_DIR_BYTES = 60;

/** How many addresses may be listened at. */
export const MAX_ADDRESSES = 16;

/** The longest path that the system takes (PATH_MAX, less its NUL). */
const MAX_PATH_BYTES = 4095;

/** The largest bound on connections; the kernel lets no process have more files. */
const MAX_CONNECTIONS_EVER = 1_000_000;

/** The largest bound on series: no scraper takes so many. */
const MAX_SERIES = 100_000_000;

/** The largest id that a user or group has; the one above means none. */
const MAX_ID = 0xffff_fffe;

/** How many recordings one daemon makes: each has a database in memory. */
const MAX_RECORDINGS = 16;

/** The longest time that segments are kept, in milliseconds: ten years. */
const MAX_KEEP_MS = 3650 * 86_400_000;

const ACCOUNT = /^(\d{1,10}|[a-zA-Z_][\w.@$-]*)$/;
const SHA256 = '[0-9a-f]{64}';

const uri = word(/^[a-z][a-z0-9+.-]*:[^\p{Cc}]*$/iu, 'a URI, like local: or qmp+unix:/run/vm1.qmp');
const certificate = word(
  new RegExp(`^((?!sha256:)[^\\p{Cc}]+|sha256:${SHA256})$`, 'u'),
  'a common name, or sha256: and 64 hexadecimal digits',
);
const token = word(new RegExp(`^sha256:${SHA256}$`), "sha256: and the token's SHA-256, 64 hexadecimal digits");
const domain = word(/^[^\p{Cc}]+$/u, 'a name, a uuid, or a pattern like web-*');
const webUser = word(/^[^:\p{Cc}]+$/u, 'a user of the web configuration file, or *');
const telemetryPath = word(/^(?!\/-\/)\/[\w.~-]*(\/[\w.~-]+)*$/, 'a path like /metrics');
const familyPattern = word(/^[\w:*]+$/, 'the name of a family, or a pattern like kvm_*');
const statWord = word(/^(?:[^:/]+:)?(?:[^:/]+\/)?[^:/]+$/, 'a stat, like exits, vcpu/exits or kvm:vcpu/*');
const provider = word(/^[^\s\p{Cc}]+$/u, 'the name of a provider, or *');

/** An account in place of its name or number. */
function account(kind: 'user' | 'group', idOf: (name: string) => number | undefined): z.ZodType<number> {
  return word(ACCOUNT, `the name of a ${kind}, or a number`).transform((name, context) => {
    const id = /^\d+$/.test(name) ? Number(name) : idOf(name);
    if (id !== undefined && id <= MAX_ID) return id;
    const message = `no ${kind} of this machine is named ${JSON.stringify(name)}`;
    context.issues.push({ code: 'custom', input: name, message });
    return z.NEVER;
  });
}

/** What values are right, by key. `keys.ts` says what a key is for; a test keeps the two in step. */
function makeSchema({ userId, groupId }: Accounts) {
  const entries = <T>(item: z.ZodType<T>) => listOf(item, 0, MAX_RULE_ENTRIES).optional();
  const user = account('user', userId);
  const group = account('group', groupId);
  const rule = z
    .strictObject(
      {
        users: entries(everybodyOr(user)),
        groups: entries(group),
        certificates: entries(certificate),
        tokens: entries(token),
        'web-users': entries(webUser),
        anonymous: yesOrNo().optional(),
        domains: listOf(domain, 1, MAX_RULE_ENTRIES),
        providers: listOf(provider, 1, MAX_RULE_ENTRIES).optional(),
      },
      { error: tableError },
    )
    .refine(({ users, groups, certificates, tokens, anonymous, ...others }) => {
      return anonymous || [users, groups, certificates, tokens, others['web-users']].some((list) => list?.length);
    }, 'gives rights to nobody; name users, groups, certificates, tokens, web-users or anonymous');
  const balloon = table({
    domains: listOf(domain, 1, MAX_RULE_ENTRIES),
    poll: duration(...POLL_RANGE_MS).refine((ms) => ms % 1000 === 0, { error: 'must be a whole number of seconds' }),
  });
  const record = table({
    stats: listOf(statWord, 1, MAX_RULE_ENTRIES),
    every: duration(10, 86_400_000).optional(),
    directory: absolutePath(MAX_PATH_BYTES, ''),
    'keep-age': duration(60_000, MAX_KEEP_MS).optional(),
    'keep-size': size(1).optional(),
  });
  const whole = z.strictObject(
    {
      connect: listOf(uri, 1, MAX_SOURCES),
      timeout: duration(10, 300_000),
      'discovery-interval': duration(100, 3_600_000),
      'runtime-dir': absolutePath(MAX_RUNTIME_DIR_BYTES, ', so that no socket fits below it'),
      faces: listOf(oneOf(FACE_NAMES), 0, FACE_NAMES.length),
      qmp: table({ 'max-age': duration(0, 3_600_000) }),
      libvirt: table({ 'max-age': duration(0, 3_600_000) }),
      socket: table({
        mode: fileMode(),
        user: user.optional(),
        group: group.optional(),
        'max-connections': count(1, MAX_CONNECTIONS_EVER),
        'max-connections-per-user': count(1, MAX_CONNECTIONS_EVER),
      }),
      tls: tlsTable(),
      web: table({
        'listen-address': listOf(hostPort({ mayOmitHost: true }), 0, MAX_ADDRESSES),
        'telemetry-path': telemetryPath,
        config: table({ file: absolutePath(MAX_PATH_BYTES, '').optional() }).optional(),
        'systemd-socket': yesOrNo(),
      }),
      metrics: table({
        profile: oneOf(PROFILE_NAMES),
        allow: listOf(familyPattern, 0, MAX_RULE_ENTRIES).optional(),
        deny: listOf(familyPattern, 0, MAX_RULE_ENTRIES),
        'max-series': count(0, MAX_SERIES),
        'max-age': duration(0, 3_600_000),
      }),
      log: table({ level: oneOf(LOG_LEVELS) }),
      access: listOf(rule, 0, MAX_RULES),
      balloon: listOf(balloon, 0, MAX_RULES),
      'state-dir': absolutePath(MAX_PATH_BYTES - 256, ', so that no file fits below it'),
      otlp: otlpTables,
      'remote-write': remoteWriteTables,
      record: listOf(record, 0, MAX_RECORDINGS),
    },
    { error: tableError },
  );
  return whole;
}

function table<T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  return z.strictObject(shape, { error: tableError });
}

function tlsTable() {
  const file = absolutePath(MAX_PATH_BYTES, '').optional();
  return table({
    'listen-address': listOf(hostPort(), 0, MAX_ADDRESSES),
    'cert-file': file,
    'key-file': file,
    'client-ca-file': file,
  })
    .refine((tls) => tls['cert-file'] === undefined || tls['key-file'] !== undefined, {
      path: ['key-file'],
      error: 'is missing; cert-file and key-file go together',
    })
    .refine((tls) => tls['key-file'] === undefined || tls['cert-file'] !== undefined, {
      path: ['cert-file'],
      error: 'is missing; cert-file and key-file go together',
    })
    .refine(
      (tls) => tls['listen-address'].length === 0 || tls['cert-file'] !== undefined || tls['key-file'] !== undefined,
      {
        path: ['cert-file'],
        error: 'is missing; listening takes cert-file and key-file',
      },
    );
}

/** `*`, which is no name of a user. */
function everybodyOr(user: z.ZodType<number>): z.ZodType<number | '*'> {
  return z.unknown().transform((value, context) => {
    if (value === '*') return value;
    const result = user.safeParse(value);
    if (result.success) return result.data;
    for (const { message } of result.error.issues) context.issues.push({ code: 'custom', input: value, message });
    return z.NEVER;
  }) as z.ZodType<number | '*'>;
}

function tableError(issue: { readonly code?: string | undefined }): string | undefined {
  return issue.code === 'invalid_type' ? 'must be a table' : undefined;
}

const NOBODY: Accounts = { userId: () => undefined, groupId: () => undefined };

/** The words that may stand in the table at `path`, in their order; none where there is no table. */
export function wordsAt(path: readonly PropertyKey[]): readonly string[] {
  let type: unknown = makeSchema(NOBODY);
  for (const part of path) {
    if (type instanceof z.ZodOptional) type = type.unwrap();
    if (typeof part === 'number') type = type instanceof z.ZodArray ? type.element : undefined;
    else if (type instanceof z.ZodObject) type = type.shape[String(part)];
  }
  if (type instanceof z.ZodOptional) type = type.unwrap();
  return type instanceof z.ZodObject ? Object.keys(type.shape) : [];
}

/** One thing that is wrong with a value. */
export interface Finding {
  readonly path: readonly PropertyKey[];
  /** Begins in lower case, after the key: `is empty; …`. */
  readonly reason: string;
  /** Present where the path names no key that exists. */
  readonly unknownKey?: string;
}

/** A configuration in units, or all that is wrong with it. */
export type Checked = { readonly config: Config } | { readonly findings: readonly Finding[] };

/** Checks a whole configuration, defaults included, and puts it in units. */
export function checkConfig(settings: unknown, accounts: Accounts): Checked {
  const result = makeSchema(accounts).safeParse(settings);
  if (!result.success) return { findings: result.error.issues.flatMap(findingsOf) };
  const { connect, timeout, faces, qmp, libvirt, socket, tls, web, metrics, log, access, balloon, record, ...others } =
    result.data;
  const { 'cert-file': certFile, 'key-file': keyFile, 'client-ca-file': clientCaFile } = tls;
  return {
    config: {
      connect,
      timeoutMs: timeout,
      discoveryIntervalMs: others['discovery-interval'],
      runtimeDir: others['runtime-dir'],
      faces: [...new Set(faces)],
      qmpMaxAgeMs: qmp['max-age'],
      libvirtMaxAgeMs: libvirt['max-age'],
      socket: {
        mode: socket.mode,
        ...(socket.user !== undefined && { uid: socket.user }),
        ...(socket.group !== undefined && { gid: socket.group }),
        maxConnections: socket['max-connections'],
        maxConnectionsPerPeer: socket['max-connections-per-user'],
      },
      tlsAddresses: tls['listen-address'],
      ...(certFile !== undefined &&
        keyFile !== undefined && {
          tlsFiles: { certFile, keyFile, ...(clientCaFile !== undefined && { clientCaFile }) },
        }),
      web: {
        addresses: web['listen-address'],
        isDefaultAddress: web['listen-address'].map(addressText).join() === DEFAULT_WEB_ADDRESS,
        telemetryPath: web['telemetry-path'],
        ...(web.config?.file !== undefined && { configFile: web.config.file }),
        requiresSocket: web['systemd-socket'],
      },
      metrics: {
        profile: metrics.profile,
        ...(metrics.allow && { allow: metrics.allow }),
        deny: metrics.deny,
        maxSeries: metrics['max-series'],
        maxAgeMs: metrics['max-age'],
      },
      logLevel: log.level,
      access: access.map(({ users = [], groups = [], certificates = [], tokens = [], ...rule }) => {
        const { domains, providers = ['*'], 'web-users': webUsers, anonymous } = rule;
        return {
          ...{ users, groups, certificates, tokens, domains, providers },
          ...(webUsers && { webUsers }),
          ...(anonymous === true && { anonymous }),
        };
      }),
      record: record.map(({ stats, every = 1000, directory, 'keep-age': ageMs, 'keep-size': sizeBytes }) => ({
        stats,
        everyMs: every,
        directory,
        ...(ageMs !== undefined && { ageMs }),
        ...(sizeBytes !== undefined && { sizeBytes }),
      })),
      balloon: balloon.map(({ domains, poll }) => ({ domains, intervalSeconds: poll / 1000 })),
      stateDir: others['state-dir'],
      pushes: pushConfigs(others.otlp, others['remote-write']),
    },
  };
}

function addressText({ host, port }: HostPort): string {
  return `${host}:${port}`;
}

function findingsOf(issue: z.core.$ZodIssue): readonly Finding[] {
  const { path } = issue;
  if (issue.code !== 'unrecognized_keys') return [{ path, reason: issue.message }];
  return issue.keys.map((unknownKey) => ({ path: [...path, unknownKey], reason: 'no such key', unknownKey }));
}
