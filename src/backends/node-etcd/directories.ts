/**
 * Directories in the way of a lock. etcd v2 makes them for keys below (`a` for `a/b`) and keeps them for ever, so the
 * lock `a` could not be taken any more once `a/b` had been.
 */
import { concat, last, map, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import { call } from './calls.js';
import type { Answer } from './calls.js';
import type { ClientSource } from './client.js';
import { NOT_EMPTY, directoryError } from './errors.js';
import { urlOf } from './keys.js';

/**
 * Removes the directory if there is nothing in it but directories; errors if there is a key. Nothing is lost if a key is
 * made meanwhile: the server itself refuses to remove a directory that is not empty.
 */
export function removeEmpty(source: ClientSource, path: string, timeout: number): Observable<Answer> {
  const remove$ = call(source, `remove the empty directory "${path}"`, timeout, (client, once, done) => {
    if (!client.del) throw directoryError(`lock "${path}"`);
    return client.del(urlOf(path), once({ dir: true }), done);
  });
  const look$ = call(source, `look into the directory "${path}"`, timeout, (client, once, done) =>
    client.get(urlOf(path), once({ quorum: true }), done),
  );
  const emptied = ({ below }: Answer): Observable<Answer> => {
    // What is not shown is hidden: a name that begins with `_`.
    const isInUse = below.length === 0 || below.some(({ isFolder }) => !isFolder);
    if (isInUse) throw directoryError(`lock "${path}"`);
    return concat(...below.map((one) => removeEmpty(source, one.path, timeout)), remove$).pipe(last());
  };
  return remove$.pipe(
    switchMap((answer) => (isNotEmpty(answer) ? look$.pipe(switchMap(emptied)) : of(answer))),
    map((answer) => {
      if (isNotEmpty(answer)) throw directoryError(`lock "${path}"`);
      return answer;
    }),
  );
}

const isNotEmpty = ({ refusal }: Answer): boolean => refusal?.code === NOT_EMPTY;
