import assert from 'node:assert/strict';
import { scenariosOf } from './scenario.js';
import type { Manager, Test } from './scenario.js';

/** Waits for what another holds, is not granted it by a try, and is granted it once the other has let go. */
async function handedOver({ name, hold }: Test, from: Manager, to: Manager, letGo: 'releases' | (() => Promise<void>)) {
  const res = name();
  const holder = hold(from, res);
  await holder.granted;
  let isGranted = false;
  const blocked = to.request(res, () => {
    isGranted = true;
  });
  await to.request(res, { ifAvailable: true }, (lock: unknown) => assert.equal(lock, null));
  assert.equal(isGranted, false);
  if (letGo === 'releases') holder.release();
  else await letGo();
  await blocked;
  assert.equal(isGranted, true);
}

export const workers = scenariosOf('workers', {
  'share what is shared': async ({ here, client, name, hold }) => {
    const res = name();
    const other = hold(await client(), res, { mode: 'shared' });
    await other.granted;
    await here.request(res, { mode: 'shared' }, async () => {
      other.release();
      await other.done;
    });
  },
  'hand over what is exclusive': async (test) => handedOver(test, await test.client(), test.here, 'releases'),
  'hand over what is exclusive, one to another': async (test) =>
    handedOver(test, await test.client(), await test.client(), 'releases'),
  'let go of what they hold when they are terminated': async (test) => {
    const client = await test.client();
    await handedOver(test, client, test.here, () => client.terminate());
  },
});

/** A frame that goes away is a client that ends. */
export const frames = scenariosOf('frames', {
  'leave the queue when they are removed': async ({ here, client, name, hold }) => {
    const res = name();
    const first = hold(here, res);
    await first.granted;
    const [gone, next] = [await client(), await client()];
    void hold(gone, res);
    await gone.query();
    const request = next.request(res, () => 'held');
    await next.query();
    await gone.terminate();
    first.release();
    assert.equal(await request, 'held');
  },
});
