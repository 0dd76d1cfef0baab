/**
 * What etcd refuses, in its own words (api/v3rpc/rpctypes/error.go): our client goes by them.
 */
import { RpcError } from '../../../src/backends/etcd3/client/rpc-error.js';

export const refusal = {
  duplicateKey: () => new RpcError('INVALID_ARGUMENT', 'etcdserver: duplicate key given in txn request'),
  tooManyOperations: () => new RpcError('INVALID_ARGUMENT', 'etcdserver: too many operations in txn request'),
  emptyKey: () => new RpcError('INVALID_ARGUMENT', 'etcdserver: key is not provided'),
  valueProvided: () => new RpcError('INVALID_ARGUMENT', 'etcdserver: value is provided'),
  leaseProvided: () => new RpcError('INVALID_ARGUMENT', 'etcdserver: lease is provided'),
  keyNotFound: () => new RpcError('INVALID_ARGUMENT', 'etcdserver: key not found'),
  compacted: () => new RpcError('OUT_OF_RANGE', 'etcdserver: mvcc: required revision has been compacted'),
  future: () => new RpcError('OUT_OF_RANGE', 'etcdserver: mvcc: required revision is a future revision'),
  leaseNotFound: () => new RpcError('NOT_FOUND', 'etcdserver: requested lease not found'),
  leaseKnown: () => new RpcError('FAILED_PRECONDITION', 'etcdserver: lease already exists'),
  noSpace: () => new RpcError('RESOURCE_EXHAUSTED', 'etcdserver: mvcc: database space exceeded'),
  denied: () => new RpcError('PERMISSION_DENIED', 'etcdserver: permission denied'),
  authOld: () => new RpcError('INVALID_ARGUMENT', 'etcdserver: revision of auth store is old'),
  down: () => new RpcError('UNAVAILABLE', 'the connection was lost'),
  tooLarge: () => new RpcError('RESOURCE_EXHAUSTED', 'Received message larger than max (5000000 vs. 4194304)'),
};
