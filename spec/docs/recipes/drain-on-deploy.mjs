import assert from 'node:assert/strict';
import { drainOnDeploy } from '../../../examples/recipes/drain-on-deploy.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks }) => {
  const one = locks();
  const remove = drainOnDeploy(one, 10_000);
  let finish;
  let working;
  await new Promise((begun) => {
    working = one.mutex('job').use(async ({ signal }) => {
      begun();
      await new Promise((resolve) => (finish = resolve));
      return signal.aborted;
    });
  });
  process.kill(process.pid, 'SIGTERM');
  await new Promise((resolve) => process.once('SIGTERM', resolve));
  await assert.rejects(one.mutex('other').acquire(), { code: 'LOCKS_CLOSED' });
  finish();
  assert.equal(await working, false);
  remove();
  await locks().mutex('job').acquire({ wait: 5_000 });
});
