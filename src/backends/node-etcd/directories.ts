/**
 * Directories that block a lock. etcd v2 creates them for keys below (`a` for `a/b`) and never removes them: once `a/b`
 * has been locked, `a` could no longer be locked.
 */
import { concat, last, map, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import { call } from './calls.js';
import type { Answer } from './calls.js';
import type { ClientSource } from './client.js';
import { NOT_EMPTY, directoryError } from './errors.js';
import { urlOf } from './keys.js';

/**
 * Removes the directory if it contains only directories; errors if it contains a key. This is safe if a key is created
 * meanwhile: the server refuses to remove a directory that is not empty.
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
    // A directory that is not empty and shows no entries has hidden ones: names that begin with `_`.
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
