/**
 * Where things are in etcd, and how long requests of the harness may take.
 */
export const ROOT = 'torture/';
export const LOCKS = `${ROOT}locks/`;
export const REGISTERS = `${ROOT}registers/`;
export const WRITE_WITHIN = 1500;
