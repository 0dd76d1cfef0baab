/**
 * Several locks as one: what may be put together.
 */
import { InvalidOptionError } from '../../api/errors.js';
import type { AllLock, Lock } from '../../api/lock.js';
import type { Arena } from '../contender.js';
import { KeyLock, LockOfAll } from '../lock.js';
import { KeysTarget } from '../together.js';

/** What was put together before is taken apart again. */
export function lockOfAll(arena: Arena, given: readonly Lock[]): AllLock {
  const refuse = (what: unknown, advice: string): never => {
    throw new InvalidOptionError('members', what, advice);
  };
  const { together, name } = arena.engine.backend;
  if (!together)
    return refuse('…', `${name} cannot lock several keys at once. Use etcd v3, or one key for what belongs together.`);
  const members = given.flatMap((one): readonly Lock[] => (one instanceof LockOfAll ? one.members : [one]));
  if (members.length === 0) return refuse('[]', 'give the locks that are wanted together.');
  if (members.length > together.most) {
    return refuse(
      `${members.length} locks`,
      `${name} takes ${together.most} at once. Use one key for what belongs together.`,
    );
  }
  const seen = new Set<string>();
  const own = members.map((member) => {
    const one = member instanceof KeyLock ? member.in(arena) : undefined;
    if (!one || !(member instanceof KeyLock)) return refuse(member.key, 'give locks made by these same Locks.');
    if (seen.has(one.key))
      return refuse(one.key, 'its key is there twice: it would wait for itself. Give each key once.');
    seen.add(one.key);
    return { member, one };
  });
  const keys = new KeysTarget(
    arena,
    together,
    own.map(({ one }) => one),
  );
  return new LockOfAll(
    arena,
    keys,
    own.map(({ member }) => member),
  );
}
