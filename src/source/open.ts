import { VirtstatError } from '../model/errors.ts';
import type { Source } from '../model/provider.ts';
import { KernelSchemas } from './kvm/kernel-schemas.ts';
import type { GivenCredentials } from './libvirt/credentials.ts';

/** Choices of {@link openSources}. */
export interface OpenSourcesOptions {
  /** What somebody said of who we are to the libvirt daemon of a URI; asked each time that one wants to know. */
  readonly libvirtCredentials?: (uri: string) => GivenCredentials;
}

/** Opens the sources of one scheme; those of this host share what is known of its kernel. */
type OpenScheme = (
  uris: readonly string[],
  kernel: KernelSchemas,
  options: OpenSourcesOptions,
) => Promise<readonly Source[]>;

/**
 * Sources by URI, each loaded only when asked for:
 *
 * | URI | what it reads |
 * | --- | --- |
 * | `local:` | this host: QEMU processes found in /proc, their kernel stats files and monitors |
 * | `qmp+unix:PATH`, `qmp+tcp://HOST:PORT`, `qmp+tls://HOST:PORT` | one QEMU monitor |
 * | `kvm+file:PATH` | captured stats files; all that are given form one source, since one VM may span several |
 * | `qemu:///system`, `qemu+unix://`, `qemu+tcp://`, `qemu+tls://`, `qemu+ssh://` | a libvirt daemon, by libvirt's own URIs |
 * | `replay:PATH[?speed=N][&from=WHEN]` | a recording, played again |
 * | `virtstat+unix:PATH`, `virtstat+tls://HOST:PORT` | another virtstatd, by its varlink socket or its port |
 */
const SCHEMES: Readonly<Record<string, OpenScheme>> = {
  local: async (uris, kernel) => {
    const odd = uris.find((uri) => !/^local:$/i.test(uri));
    if (odd !== undefined) throw new VirtstatError('URI_INVALID', `${JSON.stringify(odd)} says too much; write local:`);
    const { LocalSource } = await import('./local/local-source.ts');
    return uris.slice(0, 1).map(() => new LocalSource({ kernel }));
  },
  'qmp+unix': openMonitors,
  'qmp+tcp': openMonitors,
  'qmp+tls': openMonitors,
  'kvm+file': async (uris) => {
    const { KvmFileSource } = await import('./kvm-file/kvm-file-source.ts');
    return [new KvmFileSource(uris)];
  },
  qemu: openLibvirtDaemons,
  'qemu+unix': openLibvirtDaemons,
  'qemu+tcp': openLibvirtDaemons,
  'qemu+tls': openLibvirtDaemons,
  'qemu+ssh': openLibvirtDaemons,
  replay: async (uris) => {
    const { ReplaySource } = await import('./replay/replay-source.ts');
    return uris.map((uri) => new ReplaySource(uri));
  },
  'virtstat+unix': openVirtstatds,
  'virtstat+tls': openVirtstatds,
};

/**
 * Opens one source for each URI, all of `kvm+file:` together; nothing is connected or read before the first scan. A URI that is
 * given twice is opened once: two sources would take the same monitor from each other.
 * @throws URI_INVALID, URI_UNSUPPORTED
 */
export async function openSources(
  uris: readonly string[],
  options: OpenSourcesOptions = {},
): Promise<readonly Source[]> {
  const byScheme = new Map<string, string[]>();
  for (const uri of new Set(uris)) {
    const scheme = schemeOf(uri);
    byScheme.set(scheme, [...(byScheme.get(scheme) ?? []), uri]);
  }
  const kernel = new KernelSchemas();
  const opened = await Promise.all(
    [...byScheme].map(([scheme, ofScheme]) => SCHEMES[scheme]?.(ofScheme, kernel, options) ?? []),
  );
  return opened.flat();
}

async function openMonitors(uris: readonly string[]): Promise<readonly Source[]> {
  const { QemuSource } = await import('./qemu/source.ts');
  return uris.map((uri) => new QemuSource(uri));
}

async function openLibvirtDaemons(
  uris: readonly string[],
  kernel: KernelSchemas,
  { libvirtCredentials }: OpenSourcesOptions,
): Promise<readonly Source[]> {
  const { LibvirtSource } = await import('./libvirt/source.ts');
  return uris.map((uri) => {
    return new LibvirtSource(uri, kernel, libvirtCredentials && { credentials: () => libvirtCredentials(uri) });
  });
}

async function openVirtstatds(uris: readonly string[]): Promise<readonly Source[]> {
  const { VirtstatSource } = await import('./virtstat/source.ts');
  return uris.map((uri) => new VirtstatSource(uri));
}

function schemeOf(uri: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase();
  const known = Object.keys(SCHEMES).join(', ');
  if (scheme === undefined) {
    throw new VirtstatError('URI_INVALID', `${JSON.stringify(uri)} is not a URI; it must begin with one of ${known}`);
  }
  if (Object.hasOwn(SCHEMES, scheme)) return scheme;
  throw new VirtstatError('URI_UNSUPPORTED', `${uri}: no source is known for ${scheme}:; there are ${known}`);
}
