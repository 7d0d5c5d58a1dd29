import type { JsonInput } from '../protocol/json/json.ts';
import { QmpCommandError } from '../protocol/qmp/messages.ts';
import type { FakeCommand } from './fake-commands.ts';

/**
 * The balloon of a VM behind a {@link FakeMonitor}, as the object model shows it. What it holds may be changed while the fake
 * runs.
 *
 * ```ts
 * const balloon = new FakeBalloon();
 * await using monitor = await FakeMonitor.listen({ commands: balloon.commands });
 * ```
 */
export class FakeBalloon {
  /** QOM path; undefined: the VM has none. */
  path: string | undefined = '/machine/peripheral/balloon0';
  /** The polling interval, in seconds. */
  interval: JsonInput = 0;
  /** What `guest-stats` says. */
  stats: { readonly [name: string]: JsonInput } = {};
  /** When the guest last answered, in seconds since 1970; 0: never. */
  lastUpdate: JsonInput = 0;
  /** Bytes that the guest has. */
  actual: JsonInput = 64 << 20;
  /** Every interval that was set, in turn. */
  readonly set: JsonInput[] = [];

  /** The commands that have to do with it. */
  get commands(): Readonly<Record<string, FakeCommand>> {
    return {
      'qom-list': ({ path }) => [
        { name: 'type', type: 'string' },
        { name: 'net0', type: 'child<virtio-net-pci>' },
        ...(this.path?.startsWith(`${path}/`) && !this.path.slice(`${path}/`.length).includes('/')
          ? [{ name: this.path.slice(`${path}/`.length), type: 'child<virtio-balloon-pci>' }]
          : []),
      ],
      'qom-get': ({ path, property }) => {
        this.#require('qom-get', path);
        if (property === 'guest-stats') return { stats: this.stats, 'last-update': this.lastUpdate };
        if (property === 'guest-stats-polling-interval') return this.interval;
        throw new QmpCommandError('qom-get', 'GenericError', `Property 'virtio-balloon-pci.${property}' not found`);
      },
      'qom-set': ({ path, property, value }) => {
        this.#require('qom-set', path);
        if (property !== 'guest-stats-polling-interval') {
          throw new QmpCommandError('qom-set', 'GenericError', `Property '${property}' is not writable`);
        }
        this.interval = value as JsonInput;
        this.set.push(this.interval);
        return {};
      },
      'query-balloon': () => {
        if (this.path !== undefined) return { actual: this.actual };
        throw new QmpCommandError('query-balloon', 'DeviceNotActive', 'No balloon device has been activated');
      },
    };
  }

  #require(command: string, path: unknown): void {
    if (path === this.path) return;
    throw new QmpCommandError(command, 'DeviceNotFound', `Device '${path}' not found`);
  }
}
