import type { FuzzTarget } from './target.ts';
import { config } from './targets/config.ts';
import { hmp } from './targets/hmp.ts';
import { json } from './targets/json.ts';
import { kvmStats } from './targets/kvm-stats.ts';
import { libvirtAuthFile } from './targets/libvirt-auth-file.ts';
import { libvirtClient } from './targets/libvirt-client.ts';
import { libvirtPayloads } from './targets/libvirt-payloads.ts';
import { libvirtSasl } from './targets/libvirt-sasl.ts';
import { libvirtServer } from './targets/libvirt-server.ts';
import { prometheusRange } from './targets/prometheus-range.ts';
import { pushAnswer } from './targets/push-answer.ts';
import { qmpClient } from './targets/qmp-client.ts';
import { qmpServer } from './targets/qmp-server.ts';
import { queueRecord } from './targets/queue-record.ts';
import { recordingInfo } from './targets/recording-info.ts';
import { varlinkIdl } from './targets/varlink-idl.ts';
import { varlinkServer } from './targets/varlink-server.ts';

/** Every parser of bytes from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  ...[json, qmpServer, qmpClient, hmp, varlinkServer, varlinkIdl, config, kvmStats],
  ...[libvirtServer, libvirtClient, libvirtPayloads, libvirtSasl, libvirtAuthFile],
  ...[recordingInfo, prometheusRange, pushAnswer, queueRecord],
];

/** The target of a name; throws where there is none. */
export function targetOf(name: string): FuzzTarget {
  const target = TARGETS.find((each) => each.name === name);
  if (target === undefined) throw new Error(`there is no target ${name}`);
  return target;
}
