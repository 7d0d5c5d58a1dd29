import { VIR_ERR_OPERATION_DENIED, VIR_FROM_DOM } from '../../protocol/libvirt/constants.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';

/** What would change a domain, by number: libvirt's function for it. Any other procedure that is not served is unknown. */
const WRITES: ReadonlyMap<number, string> = new Map([
  [8, 'virDomainAttachDevice'],
  [9, 'virDomainCreate'],
  [10, 'virDomainCreateXML'],
  [11, 'virDomainDefineXML'],
  [12, 'virDomainDestroy'],
  [13, 'virDomainDetachDevice'],
  [26, 'virDomainPinVcpu'],
  [27, 'virDomainReboot'],
  [28, 'virDomainResume'],
  [29, 'virDomainSetAutostart'],
  [30, 'virDomainSetMaxMemory'],
  [31, 'virDomainSetMemory'],
  [32, 'virDomainSetVcpus'],
  [33, 'virDomainShutdown'],
  [34, 'virDomainSuspend'],
  [35, 'virDomainUndefine'],
  [53, 'virDomainCoreDump'],
  [54, 'virDomainRestore'],
  [55, 'virDomainSave'],
  [58, 'virDomainSetSchedulerParameters'],
  [103, 'virDomainBlockPeek'],
  [104, 'virDomainMemoryPeek'],
  [160, 'virDomainAttachDeviceFlags'],
  [161, 'virDomainDetachDeviceFlags'],
  [164, 'virDomainAbortJob'],
  [174, 'virDomainUpdateDeviceFlags'],
  [182, 'virDomainManagedSave'],
  [184, 'virDomainManagedSaveRemove'],
  [185, 'virDomainSnapshotCreateXML'],
  [196, 'virDomainCreateWithFlags'],
  [197, 'virDomainSetMemoryParameters'],
  [199, 'virDomainSetVcpusFlags'],
  [201, 'virDomainOpenConsole'],
  [204, 'virDomainSetMemoryFlags'],
  [205, 'virDomainSetBlkioParameters'],
  [210, 'virDomainInjectNMI'],
  [211, 'virDomainScreenshot'],
  [225, 'virDomainPinVcpuFlags'],
  [226, 'virDomainSendKey'],
  [231, 'virDomainUndefineFlags'],
  [232, 'virDomainSaveFlags'],
  [233, 'virDomainRestoreFlags'],
  [234, 'virDomainDestroyFlags'],
  [237, 'virDomainBlockJobAbort'],
  [239, 'virDomainBlockJobSetSpeed'],
  [240, 'virDomainBlockPull'],
  [245, 'virDomainReset'],
  [251, 'virDomainBlockResize'],
  [252, 'virDomainSetBlockIoTune'],
  [254, 'virDomainSetNumaParameters'],
  [256, 'virDomainSetInterfaceParameters'],
  [258, 'virDomainShutdownFlags'],
  [261, 'virDomainPMSuspendForDuration'],
  [264, 'virDomainSetMetadata'],
  [266, 'virDomainBlockRebase'],
  [267, 'virDomainPMWakeup'],
]);

/** As libvirt refuses on its read-only socket what would change something; undefined for everything else. */
export function refusalOfWrite(procedure: number): LibvirtRefusal | undefined {
  const name = WRITES.get(procedure);
  return name === undefined ? undefined : denied(`read only access prevents ${name}`);
}

/** Something that may not be read. */
export function denied(why: string): LibvirtRefusal {
  return new LibvirtRefusal(VIR_ERR_OPERATION_DENIED, VIR_FROM_DOM, why);
}
