import assert from 'node:assert/strict';
import { filter, firstValueFrom } from 'rxjs';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { endpoint } from '../../../examples/recipes/endpoint.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks, client }) => {
  const publish = async (id) => ({ published: id });
  const post = async (app, id) => {
    const answer = await app.inject({ method: 'POST', url: `/articles/${id}/publish` });
    await app.close();
    return [answer.statusCode, answer.json(), answer.headers['retry-after']];
  };
  assert.deepEqual(await post(endpoint(locks(), publish), 17), [200, { published: '17' }, undefined]);

  const other = await locks().mutex('articles/17').acquire();
  assert.deepEqual(await post(endpoint(locks(), publish), 17), [423, { error: 'LOCK_TIMEOUT' }, '1']);
  await other.release();

  const lost = endpoint(locks(), async (_, signal) => {
    await client.delete().prefix('articles/17/');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });
  assert.deepEqual(await post(lost, 17), [409, { error: 'LOCK_LOST' }, undefined]);

  const healthy = endpoint(locks(), publish);
  assert.deepEqual((await healthy.inject('/health')).json(), { ok: true });
  await healthy.close();

  // A client that goes away leaves the queue.
  const holder = locks();
  const busy = await holder.mutex('articles/18').acquire();
  const waiting = locks();
  const impatient = endpoint(waiting, publish);
  await impatient.listen({ port: 0 });
  const gone = new AbortController();
  const withdrawn = firstValueFrom(waiting.events$.pipe(filter(({ type }) => type === 'withdrawn')));
  waiting.events$.pipe(filter(({ type }) => type === 'queued')).subscribe(() => gone.abort());
  const { port } = impatient.server.address();
  const url = `http://127.0.0.1:${port}/articles/18/publish`;
  await assert.rejects(fetch(url, { method: 'POST', signal: gone.signal }));
  assert.equal((await withdrawn).reason, 'aborted');
  await impatient.close();
  await busy.release();

  const nobody = createLocks(etcd3Backend({ hosts: 'http://127.0.0.1:1' }));
  assert.deepEqual(await post(endpoint(nobody, publish), 17), [503, { error: 'BACKEND' }, '1']);
  const ill = endpoint(nobody, publish);
  assert.equal((await ill.inject('/health')).statusCode, 503);
  await ill.close();
  await nobody.close();

  const broken = endpoint(locks(), async () => {
    throw new Error('our own fault');
  });
  assert.equal((await post(broken, 17))[0], 500);
});
