/**
 * One process of a fleet that does a piece of work once, and that can be made to stand still just where it is to be
 * killed.
 *
 *   node once-worker.mjs --hosts http://127.0.0.1:2379 --owner a --key bill --ttl 2000 --stand before
 *
 * The work is a plain write, which nobody refuses, and one under the guard of the claim, which the server refuses when it
 * was done before. It stands still `before` its marker is sent, with it `sent`, or once it is `written`.
 */
import { parseArgs } from 'node:util';
import { Etcd3 } from 'etcd3';
import { NEVER, concat, defer, ignoreElements, tap } from 'rxjs';
import { createLocks } from 'rxlock';
import { decorate } from 'rxlock/backend';
import { etcd3Backend } from 'rxlock/etcd3';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string' },
    owner: { type: 'string' },
    key: { type: 'string' },
    ttl: { type: 'string' },
    stand: { type: 'string' },
  },
});
const { hosts, owner, key, ttl, stand } = values;
const client = new Etcd3({ hosts });
const backend = etcd3Backend({ hosts });

/** What becomes of the request that writes the marker. */
const STANDING = {
  before: () =>
    defer(() => {
      console.log('before');
      return NEVER;
    }),
  sent: (source$) =>
    defer(() => {
      const sent = concat(source$.pipe(ignoreElements()), NEVER);
      console.log('sent');
      return sent;
    }),
  written: (source$) =>
    concat(
      source$.pipe(
        tap(() => console.log('written')),
        ignoreElements(),
      ),
      NEVER,
    ),
};
const standing = decorate(backend, (source$, { verb }) =>
  verb === 'markers.write' ? STANDING[stand](source$) : source$,
);

const locks = createLocks(standing, { ttl: Number(ttl), owner });
await locks.once(key, { keep: 3_600_000 }).run(async (held) => {
  const guard = await backend.guard(held);
  await client.put(`plain/${key}/${owner}`).value('done');
  await client
    .if(...guard)
    .and(`guarded/${key}`, 'Create', '==', '0')
    .then(client.put(`guarded/${key}`).value(owner))
    .commit();
  return `by ${owner}`;
});
