import { reasonOf } from '../api/texts.js';

/** What was thrown, as an error: anything can be, even what cannot be converted to a text. */
export function asError(thrown: unknown): Error {
  if (typeof thrown === 'string') return new Error(thrown);
  try {
    if (thrown instanceof Error) return thrown;
  } catch {
    // A Proxy whose traps throw.
  }
  return new Error(reasonOf(thrown), { cause: thrown });
}
