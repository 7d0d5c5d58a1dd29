import type { VmStatus } from './queries.ts';

/**
 * QEMU's run states (qapi/run-state.json) as libvirt counts them: `virDomainState`, and the reason that this state has in
 * libvirt's enumeration for it (`virDomainPausedReason`, …). QEMU's word does not tell why a VM runs, nor why somebody
 * paused it: such reasons are 0, libvirt's `unknown`, where libvirt itself may know better.
 *
 * | QEMU's word                                 | state           | reason            |
 * | ------------------------------------------- | --------------- | ----------------- |
 * | `running`                                   | 1 running       | 0 unknown         |
 * | `paused`                                    | 3 paused        | 1 user            |
 * | `prelaunch`                                 | 3 paused        | 1 user            |
 * | `inmigrate`, `postmigrate`, `finish-migrate`| 3 paused        | 2 migration       |
 * | `save-vm`                                   | 3 paused        | 3 save            |
 * | `io-error`                                  | 3 paused        | 5 I/O error       |
 * | `watchdog`                                  | 3 paused        | 6 watchdog        |
 * | `restore-vm`, `debug`, `internal-error`, `colo` | 3 paused    | 0 unknown         |
 * | `shutdown`                                  | 4 shutdown      | 0 unknown         |
 * | `guest-panicked`                            | 6 crashed       | 1 panicked        |
 * | `suspended`                                 | 7 pmsuspended   | 0 unknown         |
 * | any other                                   | 1 or 3, by whether the vCPUs run | 0 unknown |
 */
export interface LibvirtState {
  readonly state: number;
  readonly reason: number;
}

const RUNNING = 1;
const PAUSED = 3;
const SHUTDOWN = 4;
const CRASHED = 6;
const PMSUSPENDED = 7;

const UNKNOWN = 0;

const STATES: ReadonlyMap<string, LibvirtState> = new Map(
  Object.entries({
    running: { state: RUNNING, reason: UNKNOWN },
    paused: { state: PAUSED, reason: 1 },
    prelaunch: { state: PAUSED, reason: 1 },
    inmigrate: { state: PAUSED, reason: 2 },
    postmigrate: { state: PAUSED, reason: 2 },
    'finish-migrate': { state: PAUSED, reason: 2 },
    'save-vm': { state: PAUSED, reason: 3 },
    'io-error': { state: PAUSED, reason: 5 },
    watchdog: { state: PAUSED, reason: 6 },
    'restore-vm': { state: PAUSED, reason: UNKNOWN },
    debug: { state: PAUSED, reason: UNKNOWN },
    'internal-error': { state: PAUSED, reason: UNKNOWN },
    colo: { state: PAUSED, reason: UNKNOWN },
    shutdown: { state: SHUTDOWN, reason: UNKNOWN },
    'guest-panicked': { state: CRASHED, reason: 1 },
    suspended: { state: PMSUSPENDED, reason: UNKNOWN },
  }),
);

/** State and reason by libvirt's numbers. */
export function libvirtState({ status, running }: VmStatus): LibvirtState {
  return STATES.get(status) ?? { state: running ? RUNNING : PAUSED, reason: UNKNOWN };
}
