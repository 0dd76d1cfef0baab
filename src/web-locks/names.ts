/**
 * Any string is the name of a web lock. A server carries less: what it cannot is escaped, as JavaScript's `escape()`
 * writes it.
 */
import { createHash } from 'node:crypto';

/** Half of what a key may have, so that there is room for the prefix of the manager. */
const LONGEST = 512;

/** A slash would make the lock nest in that of the name before it; NUL and half surrogate pairs cannot be sent. */
const ESCAPED = /[%/\0]|\p{Surrogate}/gu;

/** What is never the beginning of an escaped character. */
const HASH = '%#';
const EMPTY = '%';

/** The key below the prefix. Different names have different keys. */
export function encoded(name: string): string {
  if (name === '') return EMPTY;
  const key = name.replace(ESCAPED, (character) => {
    const hex = character.charCodeAt(0).toString(16).toUpperCase();
    return hex.length > 2 ? `%u${hex}` : `%${hex.padStart(2, '0')}`;
  });
  if (Buffer.byteLength(key) <= LONGEST) return key;
  return `${HASH}${createHash('sha256').update(key).digest('hex')}`;
}

/** Whether the name cannot be read off its key, and has to be written elsewhere. */
export const isHashed = (key: string): boolean => key.startsWith(HASH);

/** The name of a key that is not hashed. What others have written below the prefix is its own name. */
export const decoded = (key: string): string =>
  key === EMPTY
    ? ''
    : key.replace(/%(?:u([\dA-F]{4})|([\dA-F]{2}))/g, (_, long?: string, short?: string) =>
        String.fromCharCode(parseInt(long ?? short ?? '', 16)),
      );
