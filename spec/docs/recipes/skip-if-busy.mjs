import assert from 'node:assert/strict';
import { refresh } from '../../../examples/recipes/skip-if-busy.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks }) => {
  const [a, b] = [locks(), locks()];
  let runs = 0;
  let finish;
  let first;
  await new Promise((begun) => {
    first = refresh(a, async () => {
      runs += 1;
      begun();
      await new Promise((end) => (finish = end));
    });
  });
  assert.equal(await refresh(b, async () => void (runs += 1)), false);
  finish();
  assert.equal(await first, true);
  assert.equal(runs, 1);
});
