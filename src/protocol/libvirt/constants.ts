/**
 * Numbers of libvirt's public headers, by libvirt's names: groups and flags of the bulk statistics, and what is used of its
 * errors.
 *
 * Spec: libvirt-domain.h and virterror.h.
 */

/** State and its reason; since 1.2.8. */
export const VIR_DOMAIN_STATS_STATE = 0x001;
/** CPU time of the whole domain; since 1.2.9. */
export const VIR_DOMAIN_STATS_CPU_TOTAL = 0x002;
/** The balloon and what the guest says of its memory; since 1.2.9. */
export const VIR_DOMAIN_STATS_BALLOON = 0x004;
/** Each vCPU, KVM's own counters too; since 1.2.9. */
export const VIR_DOMAIN_STATS_VCPU = 0x008;
/** Network interfaces, with keys that begin with `net.`; since 1.2.9. */
export const VIR_DOMAIN_STATS_INTERFACE = 0x010;
/** Disks; since 1.2.9. */
export const VIR_DOMAIN_STATS_BLOCK = 0x020;
/** perf events that the domain's definition names; since 1.3.3. */
export const VIR_DOMAIN_STATS_PERF = 0x040;
/** Polling of I/O threads; since 4.10.0. */
export const VIR_DOMAIN_STATS_IOTHREAD = 0x080;
/** Memory bandwidth by resctrl, not the guest's memory; since 6.0.0. */
export const VIR_DOMAIN_STATS_MEMORY = 0x100;
/** How fast memory is written to, where somebody has it measured; since 7.2.0. */
export const VIR_DOMAIN_STATS_DIRTYRATE = 0x200;
/** KVM's own counters of the whole VM; since 8.9.0. */
export const VIR_DOMAIN_STATS_VM = 0x400;

/** Only running or paused domains. Of each family of filters those that are given count as one: any of them fits. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE = 0x01;
/** Only domains that are shut off. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE = 0x02;
/** Only domains that have a definition which stays. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT = 0x04;
/** Only domains that are gone when they are shut off. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT = 0x08;
/** Only running domains. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING = 0x10;
/** Only paused domains. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED = 0x20;
/** Only domains in state shutoff. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF = 0x40;
/** Only domains that are neither running, nor paused, nor shut off. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER = 0x80;
/**
 * Do not wait for a domain that another job holds: what takes its monitor is missing then. It does not bound how long a monitor
 * that nobody holds takes to answer.
 */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT = 0x2000_0000;
/** Of each disk the whole chain of images. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING = 0x4000_0000;
/** Fail where a group is not supported, instead of leaving it out. One domain that is shut off is enough to fail `vm`. */
export const VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS = 0x8000_0000;

/** A failure without a better code. */
export const VIR_ERR_INTERNAL_ERROR = 1;
/** The hypervisor driver has no such function. */
export const VIR_ERR_NO_SUPPORT = 3;
/** There is no driver for the URI. */
export const VIR_ERR_NO_CONNECT = 5;
/** An argument is wrong. */
export const VIR_ERR_INVALID_ARG = 8;
/** A read-only connection may not do this. */
export const VIR_ERR_OPERATION_DENIED = 29;
/** The RPC itself failed: an unknown procedure, arguments that cannot be decoded. */
export const VIR_ERR_RPC = 39;
/** There is no such domain. */
export const VIR_ERR_NO_DOMAIN = 42;
/** Something took too long. */
export const VIR_ERR_OPERATION_TIMEOUT = 68;
/** An argument, or a group of statistics, is not supported. */
export const VIR_ERR_ARGUMENT_UNSUPPORTED = 74;
/** The operation is not supported here. */
export const VIR_ERR_OPERATION_UNSUPPORTED = 84;

/** No part of libvirt in particular raised an error. */
export const VIR_FROM_NONE = 0;
/** The RPC code raised an error. */
export const VIR_FROM_RPC = 7;
/** The QEMU driver raised an error. */
export const VIR_FROM_QEMU = 10;
/** The code that deals with domains raised an error. */
export const VIR_FROM_DOM = 20;
/** The code that deals with control groups raised an error. */
export const VIR_FROM_CGROUP = 54;

/** How bad an error is: nothing, a warning, an error. */
export const VIR_ERR_ERROR = 2;
