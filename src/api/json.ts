/**
 * What JSON can carry, and how every other value is turned into JSON for logs.
 */

/** Values that JSON writes and reads back unchanged. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** The deepest level that is written; it also ends circular references. */
const DEEPEST = 12;
/** The most items of a list, or fields of an object, that are written. */
const MOST_ITEMS = 100;
const LONGEST_TEXT = 10_000;

/**
 * Any value as JSON: bigints as text, errors with name, code, message and cause, maps as objects. Bounded in depth and
 * size. Never throws, even if a getter of the value does.
 */
export function jsonOf(value: unknown, depth = 0): JsonValue {
  try {
    return written(value, depth);
  } catch {
    // A getter or a `toJSON` of the value threw.
    return '[unreadable]';
  }
}

function written(value: unknown, depth: number): JsonValue {
  switch (typeof value) {
    case 'string':
      return value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'bigint':
    case 'symbol':
      return value.toString();
    case 'undefined':
      return null;
    case 'function':
      return '[function]';
    case 'object':
      return value === null ? null : writtenObject(value, depth);
  }
}

function writtenObject(value: object, depth: number): JsonValue {
  if (depth >= DEEPEST) return '[…]';
  const inner = (one: unknown): JsonValue => jsonOf(one, depth + 1);
  if (Array.isArray(value)) return value.slice(0, MOST_ITEMS).map(inner);
  if (value instanceof Error) return errorFields(value, depth);
  if (writesItself(value)) return inner(value.toJSON());
  if (value instanceof Map) return mapFields(value, inner);
  if (value instanceof Set) return [...value].slice(0, MOST_ITEMS).map(inner);
  return fields(Object.entries(value), inner);
}

const writesItself = (value: object): value is { toJSON(): unknown } =>
  'toJSON' in value && typeof value.toJSON === 'function';

/** A map as an object. All entries are written, without a limit: whoever made the map knows how large it is. */
const mapFields = (map: ReadonlyMap<unknown, unknown>, inner: (one: unknown) => JsonValue): JsonValue =>
  Object.fromEntries(
    [...map].map(([name, one]) => [typeof name === 'string' ? name : JSON.stringify(jsonOf(name)), inner(one)]),
  );

const fields = (entries: readonly (readonly [string, unknown])[], inner: (one: unknown) => JsonValue): JsonValue =>
  Object.fromEntries(
    entries
      .filter(([, one]) => one !== undefined && typeof one !== 'function')
      .slice(0, MOST_ITEMS)
      .map(([name, one]) => [name, inner(one)]),
  );

/** `name`, `message` and `cause` are not enumerable, so `JSON.stringify` alone would miss them. */
export function errorFields(error: Error, depth = 0): JsonValue {
  if (depth >= DEEPEST) return '[…]';
  const { name, message, cause } = error;
  const code: unknown = 'code' in error ? error.code : undefined;
  const own = Object.entries(error).filter(([field]) => field !== 'cause');
  const all: (readonly [string, unknown])[] = [
    ['name', name],
    ['code', code],
    ['message', message],
    ...own,
    ['cause', cause],
  ];
  if (error instanceof AggregateError) all.push(['errors', error.errors]);
  return fields(all, (one) => jsonOf(one, depth + 1));
}

/** Adds a `toJSON`. It is not enumerable, so that spreads, comparisons and `console.log` ignore it. */
export function withJson<T extends object>(value: T, toJSON: () => JsonValue): T & { toJSON(): JsonValue } {
  return Object.defineProperty(Object.assign(value, { toJSON }), 'toJSON', { enumerable: false });
}

/** A map, with all of its entries. */
function mapOf(value: unknown): JsonValue | undefined {
  try {
    return value instanceof Map ? mapFields(value, jsonOf) : undefined;
  } catch {
    // A Proxy whose traps throw, as the reason of a signal or what a body threw.
    return undefined;
  }
}

/** Adds a `toJSON` that `JSON.stringify` uses. */
export const writable = <T extends object>(value: T): T =>
  withJson(value, () => fields(Object.entries(value), (one) => mapOf(one) ?? jsonOf(one, 1)));
