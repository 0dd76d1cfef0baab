/**
 * `rxlock/node-etcd`: locks on etcd v2 through npm node-etcd.
 *
 * @packageDocumentation
 */
export { nodeEtcdBackend } from './backend.js';
export type { Callback, CancellationToken, NodeEtcd, RequestOptions } from './client.js';
