import assert from 'node:assert/strict';
import { defer, firstValueFrom, ignoreElements, merge, take, toArray } from 'rxjs';
import { every$ } from '../../../examples/recipes/cron.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks }) => {
  const runs = [];
  const failures = [];
  const failed = (...failure) => failures.push(failure);
  // Each clock is off by another part of the period.
  const instance = (client, late, job, ms = 500) => every$(ms, client, job, { now: () => Date.now() + late, failed });
  const job = (tick) => defer(async () => void runs.push(tick) || tick);
  const all$ = merge(instance(locks(), 0, job), instance(locks(), -120, job), instance(locks(), 90, job));
  const seen = await firstValueFrom(all$.pipe(take(12), toArray()));
  assert.equal(seen.length, 12);
  assert.equal(new Set(runs).size, runs.length, `a tick ran twice: ${runs}`);
  // Those that do not run it get its value.
  assert.ok(seen.every((tick) => runs.includes(tick)));
  assert.deepEqual(failures, []);

  // Neither a job that fails nor a lock that is lost ends the schedule.
  const begun = [];
  const troubled = defer(() => {
    const client = locks();
    const job = (tick, held) => {
      begun.push(tick);
      if (begun.length === 1) throw new Error('no paper');
      if (begun.length > 2) return [tick];
      return defer(() => client.mutex(held.key).revoke({ reason: 'an operator takes it', within: 0 })).pipe(
        ignoreElements(),
      );
    };
    // A period that leaves time to run a tick again on a busy machine.
    return instance(client, 0, job, 3000);
  });
  const [first] = await firstValueFrom(troubled.pipe(take(1), toArray()));
  assert.equal(begun.length, 3);
  // The second tick lost its lock, and was run again.
  assert.deepEqual([begun[1], begun[2]], [first, first]);
  assert.match(String(failures[0]?.[1]), /no paper/);
  assert.equal(failures.length, 1);
});
