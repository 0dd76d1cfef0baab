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
/** Each run of what is done once writes there as it begins: so its beginning has a place in the servers' order. */
export const BEGUN = `${ROOT}begun/`;
export const WRITE_WITHIN = 1500;

const DONE = '\0done';

/** The key whose work is marked as done by that, if it is a marker. */
export const markedBy = (key) =>
  key.startsWith(LOCKS) && key.endsWith(DONE) ? key.slice(LOCKS.length, -DONE.length) : undefined;

/** The lock that a claim is of: npm etcd3 puts the bare name, all others something below it. */
export function lockOf(key) {
  const name = key.slice(LOCKS.length);
  return name.split('/').length > 2 ? name.slice(0, name.lastIndexOf('/')) : name;
}
