/**
 * Guarded writes: some are carried out, and none once the lock is over.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PENDING, deletes, queuedIn, until, within } from './stage.mjs';

const written = async ({ direct, root }, guard) => {
  const { succeeded } = await direct
    .if(...guard)
    .then(direct.put(`${root}-register`).value(''))
    .commit();
  return succeeded;
};

export const GUARDS = {
  'guarded writes': async (stage) => {
    const locks = stage.locks();
    const held = await locks.mutex(`${stage.root}/a`).acquire();
    const guard = await locks.backend.guard(held);
    if (!(await written(stage, guard))) return 'a guarded write of the holder was refused';
    await held.release();
    if (await written(stage, guard)) return 'a guarded write was accepted after the release';
    return undefined;
  },

  'guard of nested names': async (stage) => {
    const locks = stage.locks();
    await locks.mutex(`${stage.root}/warm`).acquire();
    // They travel together, and so have one revision; the key of the nested one comes first.
    const names = ['a', 'a/0'].map((name) => `${stage.root}/${name}`);
    const crowd = Array.from({ length: 12 }, (_, i) => locks.mutex(`${stage.root}/${i}`).acquire());
    const [held, nested] = await Promise.all(names.map((name) => locks.mutex(name).acquire()));
    await Promise.all(crowd);
    if (held.fencingToken !== nested.fencingToken) throw new Error('they did not travel together');
    const guard = await locks.backend.guard(held);
    await nested.release();
    if (!(await written(stage, guard))) return 'a guarded write of the holder was refused';
    return undefined;
  },

  'guard after a hand-off': async (stage) => {
    let letGo;
    let isKept = false;
    const kept = new Promise((resolve) => (letGo = resolve));
    const client = stage.intercepted(async (request, send) => {
      if (deletes(request)) {
        isKept = true;
        await kept;
      }
      return send();
    });
    const locks = stage.locks(client);
    const lock = locks.mutex(`${stage.root}/a`);
    let early;
    let done;
    const first = lock.use(async (held) => {
      early = await locks.backend.guard(held);
      await new Promise((resolve) => (done = resolve));
    });
    await until(() => done !== undefined);
    const queued = queuedIn(locks);
    const next = lock.acquire();
    await queued;
    done();
    const held = await next;
    if (!(await until(() => isKept, 1000))) throw new Error('the release was not kept back');
    const guard = await within(300, locks.backend.guard(held));
    const isLate = guard !== PENDING && (await written(stage, early));
    letGo();
    await first;
    await pause(0);
    return isLate ? 'a late guarded write of the predecessor was accepted after its successor had a guard' : undefined;
  },
};
