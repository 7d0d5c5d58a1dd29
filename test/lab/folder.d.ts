/** The folder that holds all that live tests make: `$VIRTSTAT_LAB`, else `virtstat-lab` in the temporary folder. */
export const LAB: string;

/** Where the newer QEMU lies: a small Debian system to chroot into. It is there only when it is whole. */
export const NEWER_QEMU_ROOT: string;

/** Where kernel and initramfs of the Linux guest lie. They are there only when they are whole. */
export const LINUX_GUEST: string;

/** VictoriaMetrics of Debian 13, a program that needs nothing beside it. */
export const NEWER_VICTORIA_METRICS: string;
