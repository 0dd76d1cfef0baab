/**
 * Roles and quota. Of a transaction etcd looks at the top level only, at both branches of it (measured).
 */
import type { RequestOp, TxnRequest } from '../../../src/backends/etcd3/client/messages.js';
import { contains } from './range.js';
import type { Range } from './range.js';
import { refusal } from './refusal.js';

export interface Role {
  readonly read: readonly Range[];
  readonly write: readonly Range[];
}

const may = (granted: readonly Range[], asked: Range): boolean => granted.some((range) => contains(range, asked));

export const mayRead = (role: Role | undefined, range: Range): boolean => !role || may(role.read, range);

function checkOperation(role: Role, one: RequestOp): void {
  const { request_range: range, request_put: put, request_delete_range: deleted } = one;
  if (range && !may(role.read, range)) throw refusal.denied();
  if (put && !may(role.write, put)) throw refusal.denied();
  if (deleted?.prev_kv && !may(role.read, deleted)) throw refusal.denied();
  if (deleted && !may(role.write, deleted)) throw refusal.denied();
}

export function checkRole(role: Role | undefined, { compare = [], success = [], failure = [] }: TxnRequest): void {
  if (!role) return;
  if (compare.some((one) => !may(role.read, one))) throw refusal.denied();
  for (const one of [...success, ...failure]) checkOperation(role, one);
}

/** Whether it costs space, as etcd counts it. */
export const takesSpace = ({ success = [], failure = [] }: TxnRequest): boolean =>
  [...success, ...failure].some(({ request_put: put }) => put);
