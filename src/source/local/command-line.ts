import type { Nic } from '../qemu/nics.ts';
import { NicOptions } from './nic-options.ts';
import { isOn, type Options, parseOptions } from './option-text.ts';

/**
 * What QEMU's command line says about a VM: the guest's name, its uuid, where its QMP monitors listen, and its NICs.
 * Everything else on it is passed over. Source: QEMU's invocation manual (qemu-system(1): -name, -uuid, -qmp, -chardev, -mon,
 * -readconfig; {@link NicOptions} has those of NICs).
 */
export interface CommandLine {
  readonly name?: string;
  readonly uuid?: string;
  /** In the order of the command line, at most {@link MAX_MONITORS}. */
  readonly monitors: readonly MonitorEndpoint[];
  /** Those that it began with. */
  readonly nics: readonly Nic[];
}

/** Where a QMP monitor listens, as QEMU itself names it: a path is relative to QEMU's root and working folder. */
export type MonitorEndpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** How many monitors are believed: a VM has one or two, and each that is out of reach costs time and words. */
export const MAX_MONITORS = 16;

/** Reads the arguments of a QEMU process; `readConfig` gives the text of a -readconfig file, or undefined. */
export function parseCommandLine(
  argv: readonly string[],
  readConfig: (path: string) => string | undefined = () => undefined,
): CommandLine {
  const found = new Findings();
  for (const [index, argument] of argv.entries()) {
    if (index === 0 || !argument.startsWith('-')) continue;
    const value = argv[index + 1];
    if (value === undefined) break;
    found.take(argument.replace(/^--?/, ''), value, readConfig);
  }
  return found.conclude();
}

/** Collects while the arguments pass by: a -mon may come before the -chardev that it names. */
class Findings {
  #name: string | undefined;
  #uuid: string | undefined;
  readonly #chardevs = new Map<string, Options>();
  /** Ids of chardevs, or endpoints given in one piece by -qmp. */
  readonly #monitors: (string | MonitorEndpoint)[] = [];
  readonly #nics = new NicOptions();

  take(option: string, value: string, readConfig: (path: string) => string | undefined): void {
    if (option === 'name') this.#name = parseOptions(value, 'guest').get('guest') ?? this.#name;
    else if (option === 'uuid') this.#uuid = value;
    else if (option === 'chardev') this.#takeChardev(parseOptions(value, 'backend'));
    else if (option === 'mon') this.#takeMonitor(parseOptions(value, 'chardev'));
    else if (option === 'qmp' || option === 'qmp-pretty') this.#takeShorthand(value);
    else if (option === 'readconfig') this.#takeConfig(readConfig(value) ?? '');
    else this.#nics.take(option, value);
  }

  conclude(): CommandLine {
    const monitors = this.#monitors.flatMap((monitor) => {
      if (typeof monitor !== 'string') return [monitor];
      const endpoint = endpointOf(this.#chardevs.get(monitor));
      return endpoint === undefined ? [] : [endpoint];
    });
    return {
      ...(this.#name !== undefined && { name: this.#name }),
      ...(this.#uuid !== undefined && { uuid: this.#uuid }),
      monitors: monitors.slice(0, MAX_MONITORS),
      nics: this.#nics.conclude(),
    };
  }

  #takeChardev(options: Options): void {
    const id = options.get('id');
    if (id !== undefined) this.#chardevs.set(id, options);
  }

  #takeMonitor(options: Options): void {
    const chardev = options.get('chardev');
    if (chardev !== undefined && options.get('mode') === 'control') this.#monitors.push(chardev);
  }

  /** `unix:PATH,…`, `tcp:HOST:PORT,…` or `chardev:ID`. */
  #takeShorthand(value: string): void {
    const [, scheme, rest] = /^(unix|tcp|chardev):(.*)$/s.exec(value) ?? [];
    if (rest === undefined) return;
    const options = new Map(parseOptions(`address=${rest}`, ''));
    const address = options.get('address') ?? '';
    if (scheme === 'chardev') {
      this.#monitors.push(address);
      return;
    }
    const colon = address.lastIndexOf(':');
    if (scheme === 'unix') options.set('path', address);
    else options.set('host', address.slice(0, colon)).set('port', address.slice(colon + 1));
    const endpoint = endpointOf(options.set('backend', 'socket'));
    if (endpoint !== undefined) this.#monitors.push(endpoint);
  }

  /** The same groups in QEMU's configuration file form: `[chardev "id"]`, then lines of `key = "value"`. */
  #takeConfig(text: string): void {
    let take: (options: Options) => void = () => undefined;
    let options = new Map<string, string>();
    for (const line of text.split('\n')) {
      const [, group, id] = /^\s*\[(\w+)(?:\s+"([^"]*)")?\]\s*$/.exec(line) ?? [];
      if (group !== undefined) {
        take(options);
        options = new Map(id === undefined ? [] : [['id', id]]);
        if (group === 'chardev') take = (all) => this.#takeChardev(all);
        else if (group === 'mon') take = (all) => this.#takeMonitor(all);
        else if (group === 'netdev') take = (all) => this.#nics.takeNetdev(all);
        else if (group === 'device') take = (all) => this.#nics.takeDevice(all);
        else if (group === 'name') take = (all) => (this.#name = all.get('guest') ?? this.#name);
        else take = () => undefined;
        continue;
      }
      const [, key, value] = /^\s*([\w.-]+)\s*=\s*"([^"]*)"\s*$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined) options.set(key, value);
    }
    take(options);
  }
}

/** A listening plain socket. One that is handed in by descriptor (libvirt), that dials out, or that wants TLS is of no use to us. */
function endpointOf(options: Options | undefined): MonitorEndpoint | undefined {
  if (options === undefined || options.get('backend') !== 'socket') return undefined;
  if (!isOn(options, 'server') || isOn(options, 'telnet') || isOn(options, 'websocket')) return undefined;
  if (options.has('tls-creds') || options.has('fd')) return undefined;
  const path = options.get('path');
  if (path !== undefined) return isOn(options, 'abstract') || path === '' ? undefined : { kind: 'unix', path };
  const port = Number(options.get('port'));
  if (!Number.isInteger(port) || port < 1 || port > 65535) return undefined;
  return { kind: 'tcp', host: dialable(options.get('host') ?? ''), port };
}

/** An address that listens on all interfaces is reached by loopback. */
function dialable(host: string): string {
  const plain = host.replace(/^\[(.*)\]$/, '$1');
  if (plain === '' || plain === '0.0.0.0') return '127.0.0.1';
  return plain === '::' ? '::1' : plain;
}
