/**
 * Where it is written in etcd that a line is done. A mark is put by a transaction that the server carries out only
 * while the lock is still held: a worker that lost it without knowing cannot mark.
 */
import { defer, from, map, mergeMap } from 'rxjs';

export const MARKS = 'demo/done/';

export const etcdMarks = (client, backend, worker) => ({
  isDone: ({ number }) => defer(() => from(client.get(`${MARKS}${number}`))).pipe(map((mark) => mark !== null)),

  markDone: ({ number }, result, held) =>
    defer(() => from(backend.guard(held))).pipe(
      mergeMap((guard) =>
        client
          .if(...guard)
          .then(client.put(`${MARKS}${number}`).value(JSON.stringify({ worker, result })))
          .commit(),
      ),
      map(({ succeeded }) => {
        if (!succeeded) throw new Error(`line ${number}: the lock was lost before the mark was put`);
        return number;
      }),
    ),
});
