/**
 * The errors of the platform. Node has the class, but its types are only in TypeScript's `dom` library, which a server
 * program need not load.
 */
declare const DOMException: new (message: string, options: { name: string; cause?: unknown }) => Error;

/** For a request that the specification does not allow. */
export const notSupported = (message: string): Error => new DOMException(message, { name: 'NotSupportedError' });

/** For a lock that was held and has been lost. */
export const aborted = (message: string, cause: unknown): Error =>
  new DOMException(message, { name: 'AbortError', cause });
