/**
 * The errors of the platform. Node has the class; its types come with TypeScript's `dom` library only, which no user of
 * a server has to load.
 */
declare const DOMException: new (message: string, options: { name: string; cause?: unknown }) => Error;

/** A request that is not possible, as the specification lists them. */
export const notSupported = (message: string): Error => new DOMException(message, { name: 'NotSupportedError' });

/** The lock was held and is not any more. */
export const aborted = (message: string, cause: unknown): Error =>
  new DOMException(message, { name: 'AbortError', cause });
