/**
 * A model of a lock by `SET key value NX PX ttl`: a key that expires, tried again and again, deleted by who set it. It
 * is not renewed, and its holder does not look at the clock: that is how such locks are commonly written.
 */
import { runModel } from './model-world.js';
import type { Model, ModelContender, World } from './model-world.js';
import type { Program } from './program.js';
import type { Trace } from './trace.js';

/** Ticks from a refusal to the next try. */
const RETRY = 3;

/** Ticks after which an answer that did not come is not waited for any more. */
const TIMEOUT = 6;

export const runSetNx = (program: Program): Trace => runModel('set-nx', program, setNx);

function setNx({ scheduler, program, show, work }: World): Model {
  const { ttl } = program.schedule;
  const entries = new Map<string, { readonly value: ModelContender; readonly expiresAt: number }>();

  const shown = (key: string): void => {
    const entry = entries.get(key);
    const owner = entry?.value.process.id;
    show({
      key,
      revision: undefined,
      claims: owner === undefined ? [] : [{ owner, kind: 'key', token: undefined, holds: true }],
    });
  };
  const remove = (key: string): void => {
    if (entries.delete(key)) shown(key);
  };
  const set = (key: string, value: ModelContender): boolean => {
    const there = entries.get(key);
    // A client that did not hear its answer finds its own value.
    if (there && there.value !== value) return false;
    const expiresAt = scheduler.now() + ttl;
    const entry = { value, expiresAt };
    entries.set(key, entry);
    shown(key);
    scheduler.schedule(() => {
      if (entries.get(key) === entry) remove(key);
    }, ttl);
    return true;
  };
  const release = (contender: ModelContender): void => {
    for (const key of contender.contention.keys) {
      contender.process.ask(
        () => {
          if (entries.get(key)?.value === contender) remove(key);
        },
        () => undefined,
      );
    }
  };

  /** One try of the key at that place in the list; with its last key the contender holds. */
  const attempt = (contender: ModelContender, place: number): void => {
    const { contention, process } = contender;
    const key = contention.keys[place];
    if (contender.isOver()) return;
    if (key === undefined) {
      work(contender, undefined, () => {
        release(contender);
        contender.end('done');
      });
      return;
    }
    let isAnswered = false;
    const again = (ticks: number): void => void process.after(ticks, () => attempt(contender, place));
    process.ask(
      () => set(key, contender),
      (isOurs) => {
        if (isAnswered || contender.isOver()) return;
        isAnswered = true;
        if (isOurs) attempt(contender, place + 1);
        else if (contention.wait === 0) {
          release(contender);
          contender.end('busy');
        } else again(RETRY);
      },
    );
    process.after(TIMEOUT, () => {
      if (isAnswered || contender.isOver()) return;
      isAnswered = true;
      again(0);
    });
  };

  return {
    contend(contender) {
      attempt(contender, 0);
      const { wait } = contender.contention;
      if (wait === undefined || wait === 0) return;
      contender.process.after(wait, () => {
        if (contender.hold.heldAt !== undefined) return;
        release(contender);
        contender.end('busy');
      });
    },
    leave: release,
    expire: remove,
  };
}
