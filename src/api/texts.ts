/**
 * Values of others in the sentences of ours: on one line, of a length one can read, and without a say in how a terminal
 * looks.
 */

const LONGEST = 200;

/** Control characters (escape sequences among them), marks that turn the direction of writing, halves of pairs. */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu;

const escaped = (char: string): string => {
  const code = char.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
};

/** A text of somebody else, escaped and cut. */
export function shown(text: string, longest = LONGEST): string {
  const line = text.slice(0, longest).replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
  return `${line.replace(UNSHOWN, escaped)}${text.length > longest ? '…' : ''}`;
}

/** The same in quotes, so that one sees where it ends. */
export const quoted = (text: string, longest = LONGEST): string =>
  `"${shown(text.slice(0, longest + 1).replace(/["\\]/g, '\\$&'), longest)}"`;

/** Any value, in a word or two. Never converts what is foreign: a `toString` may throw. */
export function described(value: unknown): string {
  if (isPlain(value)) return shown(String(value));
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'function') return 'a function';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return 'an object';
}

const isPlain = (value: unknown): value is number | bigint | boolean | symbol | undefined =>
  ['number', 'bigint', 'boolean', 'symbol', 'undefined'].includes(typeof value);

/** It is read by people. */
const LONGEST_REASON = 1024;

/** What an error says. Never converts what is foreign: its `toString` may throw. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message || error.name : described(error)).slice(0, LONGEST_REASON);
