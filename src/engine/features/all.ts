/**
 * `locks.all`: checks which locks may be combined.
 */
import { InvalidOptionError } from '../../api/errors.js';
import type { AllLock, Lock } from '../../api/lock.js';
import type { LocksRuntime } from '../locks-runtime.js';
import { KeyLock, LockOfAll } from '../lock.js';
import { LockTarget } from '../target.js';

const keyOf = (member: unknown): unknown =>
  typeof member === 'object' && member !== null && 'key' in member ? member.key : undefined;

/** Combines the locks; a nested `all` counts as its members. */
export function lockOfAll(runtime: LocksRuntime, given: readonly Lock[]): AllLock {
  const refuse = (what: unknown, advice: string): never => {
    throw new InvalidOptionError('members', what, advice);
  };
  const { maxClaims, name } = runtime.backend;
  if (maxClaims === 1)
    return refuse('…', `${name} cannot lock several keys at once. Use etcd v3, or one key for all of them.`);
  const members = given.flatMap((one): readonly Lock[] => (one instanceof LockOfAll ? one.members : [one]));
  if (members.length === 0) return refuse('[]', 'give the locks that are to be held together.');
  if (members.length > maxClaims) {
    return refuse(`${members.length} locks`, `${name} takes ${maxClaims} at once. Use one key for all of them.`);
  }
  const seen = new Set<string>();
  const own = members.map((member) => {
    const target = member instanceof KeyLock ? member.in(runtime) : undefined;
    if (!target || !(member instanceof KeyLock))
      return refuse(keyOf(member) ?? member, 'give locks made by these same Locks.');
    if (seen.has(target.key))
      return refuse(target.key, 'this key is given twice, so the lock would wait for itself. Give each key once.');
    seen.add(target.key);
    return { member, target };
  });
  const specs = own.flatMap(({ target }) => target.specs);
  return new LockOfAll(
    runtime,
    new LockTarget(runtime, specs),
    own.map(({ member }) => member),
  );
}
