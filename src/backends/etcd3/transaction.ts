/**
 * Guarded writes to the same etcd, for users without a client of their own.
 */
import { InvalidOptionError } from '../../api/errors.js';
import type { Compare, RequestOp, TxnRequest, TxnResponse } from './client/messages.js';

/**
 * A transaction: all or nothing. Keys are complete keys of etcd: the `prefix` of the locks is not added. Values are
 * text.
 */
export interface Transaction {
  /** The values that the keys must have, `null` for a key that must not exist; otherwise nothing is written. */
  readonly if?: Readonly<Record<string, string | null>> | undefined;
  readonly put?: Readonly<Record<string, string>> | undefined;
  readonly delete?: readonly string[] | undefined;
  /** Keys to read in the same step, before the writes. They are read even if nothing is written. */
  readonly get?: readonly string[] | undefined;
}

/** The result of a transaction. */
export interface TransactionResult {
  /** Whether the `if` was true, and everything was written. */
  readonly succeeded: boolean;
  /** The values of the `get` keys; `null` for a key that does not exist. */
  readonly values: Readonly<Record<string, string | null>>;
}

/** etcd takes 128 operations, and as many comparisons. */
const MOST = 128;

const ADVICE = 'give { if, put, delete, get }: texts by key, or lists of keys.';

function refuse(value: unknown, advice = ADVICE): never {
  throw new InvalidOptionError('transaction', value, advice);
}

/** All fields; those that were left out are empty. */
type Whole = { readonly [K in keyof Transaction]-?: NonNullable<Transaction[K]> };

/** Checks and completes the transaction. Throws an InvalidOptionError. */
export function checkedTransaction(given: Transaction): Whole {
  if (Object(given) !== given) refuse(given);
  const { if: compared = {}, put = {}, delete: deleted = [], get = [], ...others } = given;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) refuse(unknown);
  if (![deleted, get].every(Array.isArray) || ![compared, put].every((one) => Object(one) === one)) refuse(given);
  const texts = [...Object.keys(compared), ...Object.entries(put).flat(), ...deleted, ...get];
  const values = Object.values(compared).filter((value) => value !== null);
  const [wrong] = [...texts, ...values].filter((text: unknown) => typeof text !== 'string');
  if (wrong !== undefined) refuse(wrong, 'keys and values are text: encode what is not.');
  if ([...Object.keys(compared), ...Object.keys(put), ...deleted, ...get].includes('')) {
    refuse('', 'the key is empty.');
  }
  const twice = deleted.find((key) => key in put);
  if (twice !== undefined) refuse(twice, 'this key is to be put and deleted, and etcd takes a key once.');
  if (Object.keys(compared).length + Object.keys(put).length + deleted.length + get.length > MOST / 2) {
    refuse(`of ${texts.length} texts`, `at most ${MOST / 2} keys fit into one transaction.`);
  }
  return { if: compared, put, delete: deleted, get };
}

const at = (key: string): Buffer => Buffer.from(key);

/**
 * All operations are at the top level, where etcd checks roles and the quota. The failure branch reads the claims, to
 * tell a lost lock from a false `if` of the user.
 */
export function transactionRequest(
  { if: compared, put, delete: deleted, get }: Whole,
  claims: readonly { readonly key: Buffer; readonly token: string }[],
): TxnRequest {
  const looks = get.map((key): RequestOp => ({ request_range: { key: at(key) } }));
  const compare = [
    ...claims.map(({ key, token }): Compare => {
      return { key, target: 'Create', result: 'Equal', create_revision: token };
    }),
    ...Object.entries(compared).map(([key, value]): Compare => {
      if (value === null) return { key: at(key), target: 'Create', result: 'Equal', create_revision: 0 };
      return { key: at(key), target: 'Value', result: 'Equal', value: at(value) };
    }),
  ];
  return {
    compare,
    success: [
      ...looks,
      ...Object.entries(put).map(([key, value]) => ({ request_put: { key: at(key), value: at(value) } })),
      ...deleted.map((key) => ({ request_delete_range: { key: at(key) } })),
    ],
    failure: [...looks, ...claims.map(({ key }) => ({ request_range: { key, keys_only: true } }))],
  };
}

/** The result; `undefined` if one of the claims is no longer there. */
export function transactionResult(
  get: readonly string[],
  claims: readonly { readonly token: string }[],
  { succeeded, responses }: Pick<TxnResponse, 'succeeded' | 'responses'>,
): TransactionResult | undefined {
  const firstOf = (place: number) => responses[place]?.response_range.kvs[0];
  if (!succeeded && claims.some(({ token }, i) => firstOf(get.length + i)?.create_revision !== token)) return undefined;
  return {
    succeeded,
    values: Object.fromEntries(get.map((key, i) => [key, firstOf(i)?.value.toString() ?? null])),
  };
}
