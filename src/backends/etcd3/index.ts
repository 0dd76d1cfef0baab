/**
 * `rxlock/etcd3`: locks on etcd v3 through npm etcd3.
 *
 * @packageDocumentation
 */
export { etcd3Backend, ifAll } from './backend.js';
export type { Etcd3Backend, Guard } from './backend.js';
