/**
 * Shows foreign values in our messages: on one line, of readable length, and without control characters that change a
 * terminal.
 */

const LONGEST = 200;

/**
 * Control characters (escape sequences begin with one), marks that change the direction of writing, lone surrogates.
 */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu;

const escaped = (char: string): string => {
  const code = char.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
};

/** A foreign text, escaped and cut to `longest` characters. */
export function shown(text: string, longest = LONGEST): string {
  const line = text.slice(0, longest).replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
  return `${line.replace(UNSHOWN, escaped)}${text.length > longest ? '…' : ''}`;
}

/** The same in quotes, so that its end is visible. */
export const quoted = (text: string, longest = LONGEST): string =>
  `"${shown(text.slice(0, longest + 1).replace(/["\\]/g, '\\$&'), longest)}"`;

/** Any value in a word or two. Never converts a foreign object: its `toString` may throw. */
export function described(value: unknown): string {
  if (isPlain(value)) return shown(String(value));
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'function') return 'a function';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return 'an object';
}

/** A URL may carry a user and a password before an `@`. Passwords may contain any character but spaces. */
export const withoutCredentials = (text: string): string => text.replace(/([a-z][a-z\d+.-]*:\/\/)[^\s]*@/gi, '$1');

const isPlain = (value: unknown): value is number | bigint | boolean | symbol | undefined =>
  ['number', 'bigint', 'boolean', 'symbol', 'undefined'].includes(typeof value);

/** The longest reason, in characters: people read it. */
const LONGEST_REASON = 1024;

/** The message of an error. Never converts a foreign object, and never throws: a getter or a Proxy may. */
export function reasonOf(error: unknown): string {
  try {
    const message: unknown = error instanceof Error ? error.message || error.name : undefined;
    return (typeof message === 'string' ? message : described(error)).slice(0, LONGEST_REASON);
  } catch {
    // One of its getters or traps threw.
    return 'unreadable';
  }
}

/** The same after the name of the error, as `String(error)` has it. */
export function namedReasonOf(error: unknown): string {
  const reason = reasonOf(error);
  try {
    const name: unknown = error instanceof Error ? error.name : undefined;
    return typeof name === 'string' && name !== reason ? `${name}: ${reason}` : reason;
  } catch {
    return reason;
  }
}
