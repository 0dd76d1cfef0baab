/**
 * What JSON gives back as it was. `JSON.stringify` drops a function, turns a Date into a text and NaN into null without
 * a word; whoever reads the result would get something else than was produced.
 */
import { bytesOf } from './options.js';
import { described } from './texts.js';

/** Every reader of a result gets all of it. */
export const LONGEST_RESULT = 64 * 1024;

/** Where it is, and what is wrong with it. */
interface Flaw {
  readonly path: string;
  readonly what: string;
}

/** As JSON, or a sentence that says why it cannot be. */
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
    // Nested too deep for the stack, or a getter of somebody else's threw.
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
    // Not entries(): a hole is undefined there, too.
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

/** Of any realm: its prototype is the last one. A method `toJSON` would put something else in its place. */
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null);
};

function classOf(value: object): string {
  const { constructor } = value;
  return typeof constructor === 'function' ? constructor.name : 'unknown';
}
