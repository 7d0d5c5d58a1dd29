/** How values that libvirt told are marked in {@link Reading.via}. */
export const VIA_LIBVIRT = 'libvirt';
