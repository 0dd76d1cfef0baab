/**
 * Where things are in etcd, and how long requests of the harness may take.
 */
export const ROOT = 'torture/';
export const LOCKS = `${ROOT}locks/`;
/** Who holds, where the claim itself does not say it. */
export const OWNERS = `${ROOT}owners/`;
export const REGISTERS = `${ROOT}registers/`;
/** What is written on purpose by those who hold no longer. */
export const LATE = `${ROOT}late/`;
export const WRITE_WITHIN = 1500;

/** The lock that a claim is of: npm etcd3 puts the bare name, all others something below it. */
export function lockOf(key) {
  const name = key.slice(LOCKS.length);
  return name.split('/').length > 2 ? name.slice(0, name.lastIndexOf('/')) : name;
}
