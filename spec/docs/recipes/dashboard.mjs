import assert from 'node:assert/strict';
import { once } from 'node:events';
import { dashboard } from '../../../examples/recipes/dashboard.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks }) => {
  const server = dashboard(locks(), 'jobs/').listen(0, '127.0.0.1');
  await once(server, 'listening');
  const aborted = new AbortController();
  const page = await fetch(`http://127.0.0.1:${server.address().port}`, { signal: aborted.signal });
  assert.equal(page.headers.get('content-type'), 'text/event-stream');
  const views = (async function* () {
    let text = '';
    for await (const chunk of page.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const events = text.split('\n\n');
      text = events.pop();
      for (const event of events) if (event.startsWith('data: ')) yield JSON.parse(event.slice(6));
    }
  })();
  assert.deepEqual((await views.next()).value, { locks: [] });
  const held = await locks({ owner: 'ada' }).mutex('jobs/17').acquire();
  const { value } = await views.next();
  assert.deepEqual([value.locks[0].key, value.locks[0].holders[0].owner], ['jobs/17', 'ada']);
  await held.release();
  assert.deepEqual((await views.next()).value, { locks: [] });
  aborted.abort();
  server.close();
  await once(server, 'close');
});
