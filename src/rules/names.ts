/**
 * Which keys a lock may have. A key that is refused here is refused on every backend.
 */
import { InvalidOptionError } from '../api/errors.js';
import { bytesOf, checkedUnicode } from '../api/options.js';

/** Every request carries the key, and etcd keeps it in memory. */
const LONGEST_KEY = 1024;

/** The key, unchanged. Throws an InvalidOptionError that says what is wrong with it. */
export function checkedKey(key: string): string {
  if (typeof key !== 'string') {
    throw new InvalidOptionError('key', key, 'give a string that names what is to be locked, such as "invoices/17".');
  }
  if (key === '') {
    throw new InvalidOptionError('key', key, 'the key is empty. Give the name of what is to be locked.');
  }
  return checkedText('key', key);
}

/** The prefix, unchanged. Throws an InvalidOptionError. */
export function checkedPrefix(prefix: string): string {
  if (typeof prefix === 'string') return checkedText('prefix', prefix);
  throw new InvalidOptionError('prefix', prefix, 'give the text that the keys begin with, such as "invoices/".');
}

function checkedText(what: string, key: string): string {
  const refuse = (advice: string): never => {
    throw new InvalidOptionError(what, key, advice);
  };
  if (key.includes('\0')) return refuse('it contains a NUL character. Leave it out, or encode the key.');
  checkedUnicode(what, key);
  // UTF-8 has three bytes at most for each unit of UTF-16. To count them costs a tenth of acquire and release in memory.
  if (3 * key.length <= LONGEST_KEY) return key;
  const bytes = bytesOf(key);
  if (bytes > LONGEST_KEY) return refuse(`it is ${bytes} bytes long, ${LONGEST_KEY} are allowed. Hash the long part.`);
  return key;
}
