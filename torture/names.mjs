/**
 * Where things are in etcd, and how long requests of the harness may take.
 */
export const ROOT = 'torture/';
export const LOCKS = `${ROOT}locks/`;
/** Who holds, where the claim itself does not say it. */
export const OWNERS = `${ROOT}owners/`;
export const REGISTERS = `${ROOT}registers/`;
export const WRITE_WITHIN = 1500;
