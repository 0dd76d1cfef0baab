/**
 * Random programs for an etcd.
 */
import fc from 'fast-check';
import type {
  Compare,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchRequest,
} from '../../../src/backends/etcd3/client/messages.js';

/** Revisions are counted from the beginning of the program: -1 is the one before. */
export type Step =
  | { readonly range: RangeRequest }
  | { readonly txn: TxnRequest }
  | { readonly grant: number }
  | { readonly revoke: number }
  | { readonly renew: number }
  | { readonly left: number }
  | { readonly watch: NonNullable<WatchRequest['create_request']> }
  | { readonly compact: number };

/** Few keys, so that they meet; one nests in another, one is a neighbour. */
const keys = fc.constantFrom('a', 'a/', 'a/1', 'a/2', 'a/2/x', 'a0', 'b');
const ranges = fc.oneof(
  keys.map((key) => ({ key: Buffer.from(key) })),
  fc
    .tuple(keys, keys)
    .map(([one, other]) => ({ key: Buffer.from(one), range_end: Buffer.from(other < one ? 'c' : other) })),
  fc.constant({ key: Buffer.from('a/'), range_end: Buffer.from('a0') }),
);
/** The latest revision that is spoken of. */
export const LATEST = 12;
const revisions = fc.integer({ min: 0, max: LATEST });
const leases = fc.integer({ min: 0, max: 2 });

const queries = fc.tuple(
  ranges,
  fc.record(
    {
      limit: fc.integer({ min: 0, max: 3 }),
      sort_order: fc.constantFrom('None', 'Ascend', 'Descend'),
      sort_target: fc.constantFrom('Key', 'Version', 'Create', 'Mod', 'Value'),
      keys_only: fc.boolean(),
      count_only: fc.boolean(),
      min_create_revision: revisions,
      max_create_revision: revisions,
      min_mod_revision: revisions,
      max_mod_revision: revisions,
    },
    { requiredKeys: [] },
  ),
);
const query = queries.map(([range, more]): RangeRequest => ({ ...range, ...more }));
const earlier = fc
  .tuple(query, fc.integer({ min: 1, max: 14 }))
  .map(([found, revision]): RangeRequest => ({ ...found, revision }));

const values = fc.constantFrom('', 'x', 'y').map((value) => Buffer.from(value));
const compare = fc
  .tuple(ranges, fc.constantFrom('Equal', 'Greater', 'Less', 'NotEqual'), revisions, values)
  .chain(([range, result, revision, value]) =>
    fc.constantFrom<Compare>(
      { ...range, result, target: 'Version', version: revision % 3 },
      { ...range, result, target: 'Create', create_revision: revision },
      { ...range, result, target: 'Create', create_revision: 0 },
      { ...range, result, target: 'Mod', mod_revision: revision },
      { ...range, result, target: 'Value', value },
    ),
  );
const put = fc
  .tuple(
    keys,
    values,
    fc.constantFrom<object>({}, {}, { lease: 0 }, { lease: 1 }, { ignore_value: true }, { ignore_lease: true }),
  )
  .map(([key, value, more]): RequestOp => {
    const written = 'ignore_value' in more ? {} : { value };
    return { request_put: { key: Buffer.from(key), ...written, ...more } };
  });
const remove = fc.tuple(ranges, fc.boolean()).map(([range, prev]): RequestOp => {
  return { request_delete_range: { ...range, ...(prev && { prev_kv: true }) } };
});
const look = query.map((request_range): RequestOp => ({ request_range }));
const { txn } = fc.letrec<{ txn: TxnRequest; operation: RequestOp }>((tie) => ({
  txn: fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(tie('operation'), { maxLength: 3 }),
    failure: fc.array(tie('operation'), { maxLength: 2 }),
  }),
  operation: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    { arbitrary: put, weight: 4 },
    { arbitrary: remove, weight: 2 },
    { arbitrary: look, weight: 2 },
    { arbitrary: tie('txn').map((request_txn): RequestOp => ({ request_txn })), weight: 2 },
  ),
}));
const watch = fc.tuple(
  ranges,
  fc.integer({ min: 1, max: LATEST }),
  fc.constantFrom<readonly ('Noput' | 'Nodelete')[]>([], [], ['Noput'], ['Nodelete']),
);

export const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: txn.map((one): Step => ({ txn: one })), weight: 12 },
  { arbitrary: query.map((range): Step => ({ range })), weight: 3 },
  { arbitrary: earlier.map((range): Step => ({ range })), weight: 2 },
  { arbitrary: leases.map((grant): Step => ({ grant })), weight: 3 },
  { arbitrary: leases.map((revoke): Step => ({ revoke })), weight: 1 },
  { arbitrary: leases.map((renew): Step => ({ renew })), weight: 1 },
  { arbitrary: leases.map((left): Step => ({ left })), weight: 1 },
  {
    arbitrary: watch.map(([range, start_revision, filters]): Step => {
      return { watch: { ...range, start_revision, filters: [...filters] } };
    }),
    weight: 2,
  },
  { arbitrary: fc.integer({ min: 1, max: 6 }).map((compact): Step => ({ compact })), weight: 1 },
);
