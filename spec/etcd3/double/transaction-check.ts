/**
 * What etcd refuses of a transaction before it looks at the store (server/etcdserver/api/v3rpc/key.go).
 */
import type { RequestOp, TxnRequest } from '../../../src/backends/etcd3/client/messages.js';
import { covers } from './range.js';
import type { Range } from './range.js';
import { refusal } from './refusal.js';

function checkOperation(one: RequestOp, left: number): void {
  const { request_range: range, request_put: put, request_delete_range: deleted, request_txn: txn } = one;
  if (txn) return checkSize(txn, left);
  const key = (range ?? put ?? deleted)?.key;
  if (!key || key.length === 0) throw refusal.emptyKey();
  if (put?.ignore_value && put.value && put.value.length > 0) throw refusal.valueProvided();
  if (put?.ignore_lease && BigInt(put.lease ?? 0) !== 0n) throw refusal.leaseProvided();
}

/** Operations are counted by depth: at each level the longest of the three lists is taken off. */
function checkSize({ compare = [], success = [], failure = [] }: TxnRequest, most: number): void {
  const here = Math.max(compare.length, success.length, failure.length);
  if (here > most) throw refusal.tooManyOperations();
  if (compare.some(({ key }) => !key || key.length === 0)) throw refusal.emptyKey();
  for (const one of [...success, ...failure]) checkOperation(one, most - here);
}

interface Changed {
  readonly puts: Set<string>;
  readonly deletes: Range[];
}

/** A key may be put once, unless in the two branches of one transaction, and not where it is deleted beside or above. */
function checkKeys(operations: readonly RequestOp[]): Changed {
  const deletes = operations.flatMap(({ request_delete_range: one }): Range[] => (one ? [one] : []));
  const puts = new Set<string>();
  const add = (key: string, isSafe = false): void => {
    if (puts.has(key) && !isSafe) throw refusal.duplicateKey();
    if (deletes.some((range) => covers(range, Buffer.from(key, 'latin1')))) throw refusal.duplicateKey();
    puts.add(key);
  };
  for (const { request_txn: txn } of operations) {
    if (!txn) continue;
    const [then, otherwise] = [checkKeys(txn.success ?? []), checkKeys(txn.failure ?? [])];
    for (const key of then.puts) add(key);
    for (const key of otherwise.puts) add(key, then.puts.has(key));
    deletes.push(...then.deletes, ...otherwise.deletes);
  }
  for (const { request_put: put } of operations) if (put?.key) add(put.key.toString('latin1'));
  return { puts, deletes };
}

export function checkTransaction(txn: TxnRequest, most: number): void {
  checkSize(txn, most);
  checkKeys(txn.success ?? []);
  checkKeys(txn.failure ?? []);
}
