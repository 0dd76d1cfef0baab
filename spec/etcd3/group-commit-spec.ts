/**
 * Which transactions travel together, and what becomes of each when the server refuses all.
 */
import { describe, expect, it } from '@jest/globals';
import { EMPTY } from 'rxjs';
import { toBackendError } from '../../src/backends/etcd3/errors.js';
import { createGroupCommit } from '../../src/backends/etcd3/group-commit.js';
import { accessToLeave, accessToPut } from '../../src/backends/etcd3/access.js';
import { dequeueRequest, enqueueRequest } from '../../src/backends/etcd3/requests.js';
import type { TxnAnswer, TxnRequest } from '../../src/backends/etcd3/requests.js';
import type { ClaimRequest } from '../../src/index.js';
import { LEASE, claimOf, fakeSend, turns } from './fakes.js';
import type { Sent } from './fakes.js';

function groups() {
  const { sent, send } = fakeSend();
  const commit = createGroupCommit(send, true);
  const told: unknown[] = [];
  const tell = (claim: ClaimRequest) => ({
    next: () => told.push(claim.key),
    error: (error: unknown) => told.push([claim.key, error]),
  });
  const enter = (claim: ClaimRequest, size?: number) =>
    commit(
      {
        what: () => `queue for "${claim.key}"`,
        txn: () => enqueueRequest([claim], 'plain'),
        access: () => accessToPut([claim]),
        names: [claim.key],
        kind: 'enter',
        lease: claim.lease.id,
        read: () => true,
        ...(size !== undefined && { size }),
      },
      1000,
    ).subscribe(tell(claim));
  const leave = (claim: ClaimRequest) =>
    commit(
      {
        what: () => `release "${claim.key}"`,
        txn: () => dequeueRequest([claim], undefined, undefined),
        access: () => accessToLeave([claim]),
        names: [claim.key],
        kind: 'leave',
        lease: claim.lease.id,
        read: () => true,
        before: () => EMPTY,
      },
      1000,
    ).subscribe(tell(claim));
  return { sent, enter, leave, told };
}

const members = ({ success = [] }: TxnRequest): number => success.filter((one) => 'request_txn' in one).length || 1;
const sizes = (sent: readonly Sent[]): number[] => sent.map(({ txn }) => members(txn));
const answered = ({ txn, answer }: Sent): void => {
  const one = { response_txn: { succeeded: true, responses: [] } };
  const responses = Array.from({ length: members(txn) }, () => one) as unknown as TxnAnswer['responses'];
  answer.next({ succeeded: true, responses, revision: 7n });
  answer.complete();
};
const refused = ({ answer }: Sent, message: string): void =>
  answer.error(toBackendError('carry out a transaction', new Error(message)));

describe('group commit', () => {
  it('takes together what is asked for in one turn', async () => {
    const { sent, enter, told } = groups();
    for (const key of ['a', 'b', 'c']) enter(claimOf(key));
    await turns();
    expect(sizes(sent)).toEqual([3]);
    sent.forEach(answered);
    expect(told).toEqual(['a', 'b', 'c']);
  });

  it('never takes together claims of two leases', async () => {
    const { sent, enter } = groups();
    for (const key of ['a', 'b']) {
      enter(claimOf(key));
      enter(claimOf(`${key}2`, { lease: { ...LEASE, id: '2b' } }));
    }
    await turns();
    expect(sizes(sent)).toEqual([2, 2]);
  });

  it('nor two claims on one name, nor a claim and a release there', async () => {
    const { sent, enter, leave } = groups();
    enter(claimOf('a'));
    enter(claimOf('a'));
    leave(claimOf('a'));
    await turns();
    expect(sizes(sent)).toEqual([1, 1, 1]);
  });

  it('says at its top level what is read and written, and puts once where it takes space', async () => {
    const { sent, enter, leave } = groups();
    const [a, b] = [claimOf('x/deep'), claimOf('x')];
    enter(a);
    leave(b);
    await turns();
    expect(sent[0]?.txn.compare ?? []).toEqual([]);
    const ops = sent[0]?.txn.failure ?? [];
    const deletes = ops.flatMap(({ request_delete_range: one }) => one ?? []);
    expect(deletes.map(({ key }) => String(key))).toEqual(['x/deep/', expect.stringMatching(/^x\/deep\0/), 'x/']);
    expect(deletes.every(({ prev_kv }) => prev_kv)).toBe(true);
    const puts = ops.flatMap(({ request_put: one }) => one ?? []);
    // etcd refuses a put within what is deleted: the one of the shortest name lies in none of it.
    expect(puts.map(({ key }) => String(key))).toEqual([expect.stringMatching(/^x\0/)]);
  });

  it('puts nothing where it only takes claims out: a full server takes that', async () => {
    const { sent, leave } = groups();
    leave(claimOf('a'));
    leave(claimOf('b'));
    await turns();
    expect(sent[0]?.txn.failure?.some((one) => 'request_put' in one)).toBe(false);
  });

  it.each(['etcdserver: permission denied', 'etcdserver: mvcc: database space exceeded'])(
    'refused with "%s", it goes one by one, and only the one at fault is told',
    async (message) => {
      const { sent, enter, leave, told } = groups();
      enter(claimOf('bad'));
      leave(claimOf('good'));
      await turns();
      refused(sent[0] as Sent, message);
      await turns();
      expect(sizes(sent)).toEqual([2, 1, 1]);
      refused(sent[1] as Sent, message);
      answered(sent[2] as Sent);
      expect(told).toEqual([['bad', expect.objectContaining({ message: expect.stringContaining('"bad"') })], 'good']);
    },
  );

  it('a member that cannot be encoded fails alone, and the others travel', async () => {
    const { sent, enter, told } = groups();
    const meta: { [name: string]: never } = {};
    enter(claimOf('a'));
    enter(claimOf('b', { meta }));
    Object.assign(meta, { self: meta });
    enter(claimOf('c'));
    await turns();
    expect(told).toMatchObject([['b', { retryable: false, message: expect.stringContaining('"b"') }]]);
    expect(sizes(sent)).toEqual([2]);
    sent.forEach(answered);
    expect(told).toEqual([expect.anything(), 'a', 'c']);
  });

  it('after too many operations it is smaller, and grows again up to what the server takes', async () => {
    const { sent, enter } = groups();
    const crowd = async (): Promise<number> => {
      const before = sent.length;
      for (let i = 0; i < 60; i += 1) enter(claimOf(`crowd/${String(i)}`));
      await turns();
      let largest = 0;
      for (let i = before; i < sent.length; i += 1) {
        const one = sent[i] as Sent;
        if (members(one.txn) > 40) refused(one, 'etcdserver: too many operations in txn request');
        else answered(one);
        if (members(one.txn) <= 40) largest = Math.max(largest, members(one.txn));
        await turns();
      }
      return largest;
    };
    expect(await crowd()).toBeLessThan(40);
    for (let i = 0; i < 8; i += 1) await crowd();
    expect(await crowd()).toBe(40);
  });

  it('one that is given up leaves the others alone, and the last one takes the call along', async () => {
    const { sent, enter, told } = groups();
    const [a, b] = [enter(claimOf('a')), enter(claimOf('b'))];
    await turns();
    a.unsubscribe();
    expect(sent[0]?.answer.closed).toBe(false);
    b.unsubscribe();
    expect(sent[0]?.answer.closed).toBe(true);
    expect(told).toEqual([]);
  });
});
