/** A thread of this host that serves one object of a VM. */
export interface ThreadOf {
  /** The object: a vCPU's QOM path, `/objects/ID` of an I/O thread. */
  readonly path: string;
  /** Its id on this host. */
  readonly threadId: number;
}
