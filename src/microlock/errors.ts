/**
 * The errors of microlock, by its names. Its own had empty messages; these are the ones it meant.
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

/** `lock()` found the key taken. `cause` says by whom. */
export class AlreadyLockedError extends Error {
  override readonly name = 'AlreadyLockedError';
  constructor(key: string, options?: ErrorOptions) {
    super(`Lock "${key}" is already locked`, options);
  }
}

/** `unlock()` or `renew()` of what this object does not hold, or not any more. */
export class LockNotOwnedError extends Error {
  override readonly name = 'LockNotOwnedError';
  constructor(key: string, nodeId: string, options?: ErrorOptions) {
    super(`Lock "${key}" is not owned by node "${nodeId}"`, options);
  }
}
