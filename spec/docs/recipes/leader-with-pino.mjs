import assert from 'node:assert/strict';
import pino from 'pino';
import { NEVER, Subject, concat, defer, of, tap } from 'rxjs';
import { lead$ } from '../../../examples/recipes/leader-with-pino.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks, client }) => {
  const lines = [];
  const said = new Subject();
  const write = (text) => {
    const line = JSON.parse(text);
    lines.push(line);
    said.next(line);
  };
  const logger = pino({ level: 'debug' }, { write });
  const when = (isIt) => new Promise((resolve) => said.subscribe((line) => isIt(line) && resolve(line)));
  const work = (log) =>
    concat(
      defer(() => of(log.info('leading'))),
      NEVER,
    ).pipe(tap({ finalize: () => log.info('no more') }));

  const first = when(({ msg }) => msg === 'leading');
  const leading = lead$(locks(), logger, work).subscribe();
  const { term } = await first;
  assert.match(term, /^\d+$/);

  const lost = when(({ msg }) => msg === 'lost');
  const again = when(({ msg, term: other }) => msg === 'leading' && other !== term);
  await client.delete().prefix('scheduler/');
  const { level, reason } = await lost;
  assert.deepEqual([level, reason], [40, 'deleted']);
  await again;
  leading.unsubscribe();
  const messages = lines.map(({ msg }) => msg);
  assert.ok(messages.includes('no more') && messages.includes('acquired'));
});
