/**
 * `rxlock/etcd3`: locks on etcd v3, by a client of its own or through npm etcd3.
 *
 * @packageDocumentation
 */
export { etcd3Backend } from './backend.js';
export type { Etcd3Backend } from './backend.js';
export { ifAll } from './guards.js';
export type { Guard } from './guards.js';
export type { Transaction, TransactionResult } from './transaction.js';
export type { Etcd3Credentials, Etcd3Options } from './client/options.js';
export type { UserClient } from './client/user-client.js';
