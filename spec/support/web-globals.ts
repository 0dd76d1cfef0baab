/** What the web platform has, and no more: no process, no Buffer, no require, no setImmediate. */
export const WEB_GLOBALS = {
  AbortController,
  AbortSignal,
  DOMException,
  TextEncoder,
  clearInterval,
  clearTimeout,
  crypto,
  performance,
  queueMicrotask,
  setInterval,
  setTimeout,
};
