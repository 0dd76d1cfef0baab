/**
 * Carries out a schedule of faults: each lane by itself, each fault undone before the next of its lane.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.mjs';
import { faultsOf } from './faults.mjs';

/**
 * @param {object} given
 * @param {any} given.arena
 * @param {readonly import('./schedule.mjs').Planned[]} given.planned
 * @param {AbortSignal} given.signal ends it early, with everything undone
 * @param {(type: string, fields?: object) => void} given.record
 */
export async function unleash({ arena, planned, signal, record }) {
  const start = now();
  const lanes = [...new Set(planned.map(({ lane }) => lane))];
  await Promise.all(
    lanes.map(async (lane) => {
      for (const fault of planned.filter((each) => each.lane === lane)) {
        await sleep(start + fault.at - now(), signal);
        if (signal.aborted) return;
        await commit(arena, fault, signal, record);
      }
    }),
  );
}

async function commit(arena, { lane, name, lasts, draw }, signal, record) {
  const from = now();
  let target;
  try {
    const injected = await faultsOf(arena.setup)[lane][name].inject(arena, draw);
    target = injected.target;
    record('fault', { lane, name, target, from });
    await sleep(lasts, signal);
    await injected.heal?.();
    record('healed', { lane, name, target, from });
  } catch (error) {
    // Another lane may have taken away what this one needs, such as a leader: said, and gone on.
    record('fault-failed', {
      lane,
      name,
      target: target ?? error?.target,
      from,
      message: String(error?.stack ?? error),
    });
  }
}

/** An abort ends it, too. */
const sleep = (ms, signal) => pause(Math.max(0, ms), undefined, { signal }).catch(ABORTED);
const ABORTED = () => undefined;
