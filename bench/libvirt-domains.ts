import { type LibvirtLab, startLibvirt } from '../test/lab/libvirt.ts';

/** Domains of a libvirtd of our own, each with 2 vCPUs, 2 disks, a NIC and a balloon. They end with the block. */
export class LibvirtDomains implements AsyncDisposable {
  readonly lab: LibvirtLab;
  /** Process ids of their QEMUs. */
  readonly pids: number[] = [];

  private constructor(lab: LibvirtLab) {
    this.lab = lab;
  }

  /** Starts that many domains, called `prefix` and a number; their vCPUs do not run. */
  static async start(prefix: string, count: number): Promise<LibvirtDomains> {
    const domains = new LibvirtDomains(await startLibvirt());
    try {
      for (let index = 1; index <= count; index++) {
        const name = `${prefix}-${index}`;
        domains.pids.push(
          domains.lab.pidOf(await domains.lab.start({ name, tap: `vs${prefix}${index}`, paused: true })),
        );
      }
      return domains;
    } catch (error) {
      await domains.lab.stop();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab.stop();
  }
}
