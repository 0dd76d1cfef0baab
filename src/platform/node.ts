/**
 * Node and compatible runtimes: Electron, Bun, Deno.
 */
import { AsyncResource } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { hostname, uptime } from 'node:os';
import type { Platform } from './platform.js';

export const platform: Platform = {
  processLabel: () => `${hostname()}:${process.pid}`,

  random63: () => BigInt.asUintN(63, randomBytes(8).readBigUInt64BE()),

  // On other systems it is too coarse to be of use (macOS: whole seconds).
  bootTime: process.platform === 'linux' ? () => uptime() * 1000 : undefined,

  captureContext() {
    const resource = new AsyncResource('rxlock');
    return (work) => resource.runInAsyncScope(work);
  },

  channel,
};
