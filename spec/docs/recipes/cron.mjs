import assert from 'node:assert/strict';
import { defer, firstValueFrom, merge, take, toArray } from 'rxjs';
import { every$ } from '../../../examples/recipes/cron.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks }) => {
  const runs = [];
  // Each clock is off by another part of the period.
  const instance = (name, late) =>
    every$(
      500,
      locks({ owner: name }),
      (tick) => defer(async () => void runs.push(tick) || tick),
      () => Date.now() + late,
    );
  const all$ = merge(instance('a', 0), instance('b', -120), instance('c', 90));
  const seen = await firstValueFrom(all$.pipe(take(12), toArray()));
  assert.equal(seen.length, 12);
  assert.equal(new Set(runs).size, runs.length, `a tick ran twice: ${runs}`);
  // Whoever does not run it gets its value.
  assert.ok(seen.every((tick) => runs.includes(tick)));
});
