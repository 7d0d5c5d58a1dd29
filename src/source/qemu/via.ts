/** The way that values from a monitor come by. */
export const VIA_QMP = 'qmp';
