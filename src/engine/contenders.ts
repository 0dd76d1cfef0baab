/**
 * Who contends or holds at the moment. As long as there is anybody, the process stays alive.
 */
import type { Subscription } from 'rxjs';
import type { Time } from '../time/clock.js';
import type { Closable, Contenders } from './contender.js';

export function createContenders(time: Time): Contenders & { close(): void } {
  const all = new Set<Closable>();
  let awake: Subscription | undefined;
  return {
    add(contender) {
      awake ??= time.awake();
      all.add(contender);
    },
    delete(contender) {
      all.delete(contender);
      if (all.size > 0) return;
      awake?.unsubscribe();
      awake = undefined;
    },
    close() {
      for (const contender of [...all]) contender.close();
    },
  };
}
