/**
 * Any string can be the name of a web lock, but not of a key on the server. Characters that a key cannot have are
 * escaped as JavaScript's `escape()` does.
 */
import { createHash } from 'node:crypto';

/** Bytes: half of the length of a key, so that there is room for the prefix of the manager. */
const LONGEST = 512;

/** A slash would put the key below another lock; NUL and lone surrogates cannot be sent. */
const ESCAPED = /[%/\0]|\p{Surrogate}/gu;

/** No escaped character begins like this. */
const HASH = '%#';
const EMPTY = '%';

/** The key of a name, below the prefix. Different names have different keys. */
export function encoded(name: string): string {
  if (name === '') return EMPTY;
  const key = name.replace(ESCAPED, (character) => {
    const hex = character.charCodeAt(0).toString(16).toUpperCase();
    return hex.length > 2 ? `%u${hex}` : `%${hex.padStart(2, '0')}`;
  });
  if (Buffer.byteLength(key) <= LONGEST) return key;
  return `${HASH}${createHash('sha256').update(key).digest('hex')}`;
}

/** Whether the key is a hash: then the name must be stored elsewhere. */
export const isHashed = (key: string): boolean => key.startsWith(HASH);

/** The name of a key that is not hashed. A key that another program has written is shown as it is. */
export const decoded = (key: string): string =>
  key === EMPTY
    ? ''
    : key.replace(/%(?:u([\dA-F]{4})|([\dA-F]{2}))/g, (_, long?: string, short?: string) =>
        String.fromCharCode(parseInt(long ?? short ?? '', 16)),
      );
