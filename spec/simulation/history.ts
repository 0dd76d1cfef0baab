/**
 * What a client of a server that may be restored does about it: the part of the backend for etcd v3 that does this, on
 * the simulated server. It decides by the header of each answer, and takes for gone what is not of the history it knows.
 */
import { defer, map, of, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { BackendCall } from '../../src/backend/decorate.js';
import type { EnqueueResult, MarkResult, RenewResult } from '../../src/backend/port.js';
import { Incarnation } from '../../src/backends/etcd3/incarnation.js';
import type { Header, Question } from '../../src/backends/etcd3/incarnation.js';
import type { BackendError, Lease, QueueBackend } from '../../src/index.js';

/** What travels with an answer. */
export interface Told extends Header {
  /** Of a grant: the lease was there already, by an attempt whose answer was lost. */
  readonly isKnown: boolean;
  /** How many times the server has been restored, which no server tells. */
  readonly life: number;
}

export interface History {
  /** To be called before a request is sent. */
  asked(): Question;
  /** To be called with what came with its answer, before that is told. */
  answered(question: Question, verb: BackendCall['verb'], told: Told): void;
  /** Around the network. */
  around(network: QueueBackend): QueueBackend;
}

/** Answered by any member, without the leader. */
const LOCAL: readonly BackendCall['verb'][] = ['revoke', 'audit', 'probe'];

/**
 * @param changed called when the server turns out to have another history: all streams break
 * @param hasCaughtUp called when it has, and nothing tells
 */
export function createHistory(changed: (cause: BackendError) => void, hasCaughtUp: () => void): History {
  const known = new Incarnation(changed);
  const endpoint = {};
  let life = 0;
  let cluster: string | undefined;
  let epoch = known.asked().epoch;

  const isOfAnother = (lease: Lease | undefined): boolean =>
    lease !== undefined && known.objection(lease) !== undefined;

  const seen = (answer: EnqueueResult): void => {
    if (answer.status === 'refused') for (const queue of answer.queues) known.read(queue);
    if (answer.status === 'queued') for (const { queue } of answer.entries) if (queue) known.read(queue);
  };

  return {
    asked: () => known.asked(),

    answered(question, verb, told) {
      known.heardFrom(question, endpoint, told);
      if (LOCAL.includes(verb)) return;
      // A lease that is new says nothing about the revision. Of a renewal that is behind, the leader is asked.
      if (verb === 'grant' && !told.isKnown) return;
      const isLease = verb === 'renew' || verb === 'grant';
      if (!isLease || known.isDoubtful(question, told)) known.answered(question, told);
      const before = epoch;
      ({ epoch } = known.asked());
      if (told.life !== life && epoch === before && cluster === told.cluster_id) hasCaughtUp();
      ({ life, cluster_id: cluster } = told);
    },

    around: (network) => ({
      ...network,
      grant: (lease, ms) => network.grant(lease, ms).pipe(tap(() => known.granted(lease))),
      renew: (lease, ms) =>
        network.renew(lease, ms).pipe(
          map((answer): RenewResult => {
            const cause = known.objection(lease);
            return answer.status === 'renewed' && cause ? { status: 'gone', reason: 'session', cause } : answer;
          }),
        ),
      enqueue: (claims, ms, mode) =>
        defer((): Observable<EnqueueResult> => {
          if (isOfAnother(claims[0]?.lease)) return of({ status: 'lease-gone' });
          return network.enqueue(claims, ms, mode).pipe(tap(seen));
        }),
      queue: (key, ms, from, until) =>
        defer(() => (from && known.has(from) ? network.queue(key, ms, from, until) : network.queue(key, ms))).pipe(
          tap((queue) => known.read(queue)),
        ),
      ...(network.markers && {
        markers: {
          ...network.markers,
          write: (request, ms) =>
            defer((): Observable<MarkResult> =>
              isOfAnother(request.claim.lease) ? of('lease-gone') : (network.markers?.write(request, ms) ?? of('gone')),
            ),
        },
      }),
    }),
  };
}
