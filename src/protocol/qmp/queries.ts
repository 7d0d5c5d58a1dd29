import type { JsonValue } from '../json/json.ts';
import { asArray, asBoolean, asObject, asSmallInteger, asString } from './shape.ts';

/** Replies of the queries that tell what a VM is. Specs: qapi/run-state.json, machine.json, control.json in QEMU. */

/** What `query-status` answers. */
export interface VmStatus {
  /** `running`, `paused`, `prelaunch`, … Open. */
  readonly status: string;
  /** True where the vCPUs run. */
  readonly running: boolean;
}

/** One vCPU, as `query-cpus-fast` tells. */
export interface VmCpu {
  /** Counts from 0; the N in the QOM path's `device[N]` is another number. */
  readonly index: number;
  /** The path that `query-stats` names the vCPU by. */
  readonly path: string;
  /** Thread of the VMM on the host. */
  readonly threadId: number;
}

/** What `query-kvm` answers. */
export interface KvmInfo {
  /** False: the VM runs without KVM, and there are no statistics of KVM. */
  readonly enabled: boolean;
  /** False: this QEMU was built without KVM. */
  readonly present: boolean;
}

/** @throws QMP_REPLY_INVALID */
export function decodeStatus(reply: JsonValue): VmStatus {
  const status = asObject(reply, 'query-status');
  return {
    status: asString(status['status'], 'query-status.status'),
    running: asBoolean(status['running'], 'query-status.running'),
  };
}

/** The vCPUs, ascending. @throws QMP_REPLY_INVALID */
export function decodeCpus(reply: JsonValue): readonly VmCpu[] {
  return asArray(reply, 'query-cpus-fast')
    .map((json, index) => {
      const where = `query-cpus-fast[${index}]`;
      const cpu = asObject(json, where);
      return {
        index: asSmallInteger(cpu['cpu-index'], `${where}.cpu-index`),
        path: asString(cpu['qom-path'], `${where}.qom-path`),
        threadId: asSmallInteger(cpu['thread-id'], `${where}.thread-id`),
      };
    })
    .sort((a, b) => a.index - b.index);
}

/** The name given by `-name`, undefined where none was given. @throws QMP_REPLY_INVALID */
export function decodeName(reply: JsonValue): string | undefined {
  const name = asObject(reply, 'query-name')['name'];
  return name === undefined ? undefined : asString(name, 'query-name.name');
}

/** What a VM without `-uuid` answers. */
const NO_UUID = '00000000-0000-0000-0000-000000000000';

/** The uuid given by `-uuid`, undefined where none was given. @throws QMP_REPLY_INVALID */
export function decodeUuid(reply: JsonValue): string | undefined {
  const uuid = asString(asObject(reply, 'query-uuid')['UUID'], 'query-uuid.UUID');
  return uuid === NO_UUID ? undefined : uuid;
}

/** @throws QMP_REPLY_INVALID */
export function decodeKvm(reply: JsonValue): KvmInfo {
  const kvm = asObject(reply, 'query-kvm');
  return {
    enabled: asBoolean(kvm['enabled'], 'query-kvm.enabled'),
    present: asBoolean(kvm['present'], 'query-kvm.present'),
  };
}
