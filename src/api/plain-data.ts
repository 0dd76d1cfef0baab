/**
 * Values that JSON does not change. `JSON.stringify` silently drops a function, turns a Date into a text and NaN into
 * null: a reader would get another result than the one that was produced.
 */
import { bytesOf } from './options.js';
import { described } from './texts.js';

/** 64 KiB: every reader of a result gets all of it. */
export const LONGEST_RESULT = 64 * 1024;

/** A part of a value that JSON would change: where it is, and what it is. */
interface Flaw {
  readonly path: string;
  readonly what: string;
}

/** The value as JSON, or a sentence that says why JSON would change it. */
export function plainJson(
  value: unknown,
  longest = LONGEST_RESULT,
): { readonly json: string } | { readonly objection: string } {
  try {
    const flaw = flawOf(value, 'it', []);
    if (flaw) return { objection: `${flaw.path} is ${flaw.what}. Give plain data.` };
    const json = JSON.stringify(value);
    const bytes = bytesOf(json);
    if (bytes <= longest) return { json };
    return {
      objection: `it is ${bytes} bytes of JSON, ${longest} are allowed. Keep it elsewhere and its address here.`,
    };
  } catch (cause) {
    // The value is nested too deep for the stack, or one of its getters threw.
    return { objection: `it cannot be written as JSON (${cause instanceof Error ? cause.name : described(cause)}).` };
  }
}

function flawOf(value: unknown, path: string, above: readonly object[]): Flaw | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : { path, what: String(value) };
    case 'object':
      return value === null ? undefined : flawOfObject(value, path, above);
    case 'bigint':
    case 'symbol':
    case 'undefined':
    case 'function':
      return { path, what: typeof value === 'undefined' ? 'undefined' : `a ${typeof value}` };
  }
}

function flawOfObject(value: object, path: string, above: readonly object[]): Flaw | undefined {
  if (above.includes(value)) return { path, what: 'a part of itself' };
  const below = [...above, value];
  if (Array.isArray(value)) {
    // By index, so that a hole counts as `undefined`.
    for (let i = 0; i < value.length; i += 1) {
      const flaw = flawOf(value[i], `${path}[${i}]`, below);
      if (flaw) return flaw;
    }
    return undefined;
  }
  if (!isPlain(value)) return { path, what: `an object of the class ${classOf(value)}` };
  for (const [name, one] of Object.entries(value)) {
    const flaw = flawOf(one, `${path}.${name}`, below);
    if (flaw) return flaw;
  }
  return undefined;
}

/** A plain object of any realm: its prototype is null, or the prototype of that is null. */
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null);
};

function classOf(value: object): string {
  const { constructor } = value;
  return typeof constructor === 'function' ? constructor.name : 'unknown';
}
