/**
 * The errors of microlock, with its names. Its own errors had empty messages; these have the messages that it intended.
 */

/** The constructor got no client. */
export class EtcdClientRequiredError extends Error {
  override readonly name = 'EtcdClientRequiredError';
  constructor() {
    super('etcd client parameter is required');
  }
}

/** The constructor got no name for the lock. */
export class KeyRequiredError extends Error {
  override readonly name = 'KeyRequiredError';
  constructor() {
    super('key parameter of type String is required');
  }
}

/** The constructor got no name for this node. */
export class NodeIdRequiredError extends Error {
  override readonly name = 'NodeIdRequiredError';
  constructor() {
    super('node_id parameter of type String is required');
  }
}

/** The ttl is not a number of seconds. */
export class InvalidTtlError extends Error {
  override readonly name = 'InvalidTtlError';
  constructor() {
    super('ttl parameter must be of type Number');
  }
}

/** `lock()` found the key taken. `cause` names the holder. */
export class AlreadyLockedError extends Error {
  // The core has a class of this name too, and where both are in one file this one gets another.
  static override readonly name = 'AlreadyLockedError';
  override readonly name = 'AlreadyLockedError';
  constructor(key: string, options?: ErrorOptions) {
    super(`Lock "${key}" is already locked`, options);
  }
}

/** `unlock()` or `renew()` of a lock that this object does not hold (any more). */
export class LockNotOwnedError extends Error {
  // The core has a class of this name too, and where both are in one file this one gets another.
  static override readonly name = 'LockNotOwnedError';
  override readonly name = 'LockNotOwnedError';
  constructor(key: string, nodeId: string, options?: ErrorOptions) {
    super(`Lock "${key}" is not owned by node "${nodeId}"`, options);
  }
}
