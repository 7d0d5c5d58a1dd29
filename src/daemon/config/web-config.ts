import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { WebSecurity } from '../../face/face.ts';
import { readBounded } from '../../host/files.ts';
import { readTlsMaterial, type TlsServerFiles } from '../../host/tls-material.ts';
import { VirtstatError } from '../../model/errors.ts';

/** Largest web configuration file, in bytes. */
const MAX_FILE_BYTES: number = 256 << 10;

/** Most users of HTTP. */
const MAX_USERS = 1000;

/** Bcrypt's cost doubles the work with each step: beyond this one, one password would take seconds. */
const MAX_COST = 14;

/** Headers that exporter-toolkit knows, too. */
const HEADERS = [
  'Content-Security-Policy',
  'Strict-Transport-Security',
  'X-Content-Type-Options',
  'X-Frame-Options',
  'X-XSS-Protection',
] as const;

const bcryptHash = z.string().refine(isHash, { error: `is no bcrypt hash with a cost of 4 to ${MAX_COST}` });

const schema = z.strictObject({
  tls_server_config: z
    .strictObject({
      cert_file: z.string().min(1),
      key_file: z.string().min(1),
      client_ca_file: z.string().min(1).optional(),
      client_auth_type: z.enum(['NoClientCert', 'VerifyClientCertIfGiven', 'RequireAndVerifyClientCert']).optional(),
      min_version: z.enum(['TLS12', 'TLS13']).optional(),
    })
    .optional(),
  http_server_config: z
    .strictObject({
      // There is HTTP/1.1 alone, which every client falls back to.
      http2: z.boolean().optional(),
      headers: z.partialRecord(z.enum(HEADERS), z.string().regex(/^[\x20-\x7e]*$/)).optional(),
    })
    .optional(),
  basic_auth_users: z
    .record(z.string().regex(/^[^:\p{Cc}]+$/u), bcryptHash)
    .refine((users) => Object.keys(users).length <= MAX_USERS, { error: `has more than ${MAX_USERS} users` })
    .nullish(),
});

/** What a web configuration file says, or what is wrong with it. */
export type WebConfigOutcome =
  | {
      readonly security: WebSecurity;
      /** The file itself, and those that it names. */
      readonly files: readonly string[];
    }
  | { readonly mistakes: readonly string[] };

/**
 * Reads a web configuration file as Prometheus's exporter-toolkit has it (docs/web-configuration.md there): `tls_server_config` with
 * files, relative to its own folder, and certificates of clients; `http_server_config.headers`; `basic_auth_users` with bcrypt hashes.
 * Other keys are mistakes. Never rejects for what is in the files.
 */
export async function readWebConfig(path: string, signal: AbortSignal): Promise<WebConfigOutcome> {
  const outcome = await parsed(path, signal);
  if ('mistakes' in outcome) return outcome;
  const { tls_server_config: tls, http_server_config: http, basic_auth_users: users } = outcome.content;
  const common = { passwords: new Map(Object.entries(users ?? {})), headers: http?.headers ?? {} };
  if (tls === undefined) return { security: common, files: [path] };
  const { client_auth_type: auth = 'NoClientCert', client_ca_file: clientCaFile } = tls;
  if (auth !== 'NoClientCert' && clientCaFile === undefined) {
    return { mistakes: [`tls_server_config.client_auth_type: ${auth} takes client_ca_file`] };
  }
  const at = (file: string): string => resolve(dirname(path), file);
  const files: TlsServerFiles = {
    certFile: at(tls.cert_file),
    keyFile: at(tls.key_file),
    ...(auth !== 'NoClientCert' && clientCaFile !== undefined && { clientCaFile: at(clientCaFile) }),
  };
  const read = await readTlsMaterial(files, signal);
  if ('problems' in read) return { mistakes: read.problems.map(({ reason }) => `tls_server_config: ${reason}`) };
  return {
    files: [path, ...Object.values(files)],
    security: {
      ...common,
      tls: {
        material: read.material,
        requiresCertificate: auth === 'RequireAndVerifyClientCert',
        minVersion: tls.min_version === 'TLS13' ? 'TLSv1.3' : 'TLSv1.2',
      },
    },
  };
}

async function parsed(
  path: string,
  signal: AbortSignal,
): Promise<{ readonly content: z.infer<typeof schema> } | { readonly mistakes: readonly string[] }> {
  try {
    const file = await readBounded(path, { maxSizeBytes: MAX_FILE_BYTES, signal });
    if (file === undefined) return { mistakes: [`is larger than ${MAX_FILE_BYTES} bytes`] };
    const content: unknown = parse(Buffer.from(file.bytes).toString('utf8'), { maxAliasCount: 0, prettyErrors: false });
    const result = schema.safeParse(content ?? {});
    if (result.success) return { content: result.data };
    return {
      mistakes: result.error.issues.map(({ path: keys, message }) => `${keys.map(String).join('.')}: ${message}`),
    };
  } catch (error) {
    return { mistakes: [VirtstatError.from(error, 'CONFIG_INVALID', 'cannot be understood').message] };
  }
}

function isHash(text: string): boolean {
  const [, cost] = /^\$2[aby]\$(\d\d)\$[./A-Za-z\d]{53}$/.exec(text) ?? [];
  return cost !== undefined && Number(cost) >= 4 && Number(cost) <= MAX_COST;
}
