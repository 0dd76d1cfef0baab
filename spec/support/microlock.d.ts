/** npm microlock brings no types: what the specs use of it. */
declare module 'microlock' {
  import type { EventEmitter } from 'node:events';
  import type Etcd from 'node-etcd';

  export class AlreadyLockedError extends Error {}
  export class EtcdClientRequiredError extends Error {}
  export class InvalidTtlError extends Error {}
  export class KeyRequiredError extends Error {}
  export class LockNotOwnedError extends Error {}
  export class NodeIdRequiredError extends Error {}
  export const events: { readonly locked: 'locked'; readonly unlocked: 'unlocked'; readonly error: 'error' };
  export default class Microlock extends EventEmitter {
    constructor(etcd: Etcd, key: string, nodeId: string, ttl?: number);
    lock(): PromiseLike<unknown>;
    unlock(): PromiseLike<unknown>;
    renew(): PromiseLike<unknown>;
    destroy(): void;
  }
}
