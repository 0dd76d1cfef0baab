/** What units of the etcd v3 backend talk to instead of a server: they say when it answers, and what. */
import { EventEmitter } from 'node:events';
import { Observable } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { WatchRequest, WatchResponse } from '../../src/backends/etcd3/connection.js';
import type { StoredClaim } from '../../src/backends/etcd3/keys.js';
import type { TxnAnswer, TxnRequest } from '../../src/backends/etcd3/requests.js';
import type { ClaimRequest, Lease } from '../../src/index.js';

/** After whatever was set off has been carried out. */
export const turns = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(() => setImmediate(resolve)));
  });

export class FakeStream extends EventEmitter {
  readonly written: WatchRequest[] = [];
  isEnded = false;

  write(request: WatchRequest): boolean {
    this.written.push(request);
    return true;
  }
  end(): void {
    this.isEnded = true;
  }
  cancel(): void {
    this.isEnded = true;
  }
  says(response: Partial<WatchResponse>): void {
    const nothing = {
      header: { revision: '0' },
      watch_id: '0',
      created: false,
      canceled: false,
      cancel_reason: '',
      compact_revision: '0',
      events: [],
    };
    this.emit('data', { ...nothing, ...response });
  }
  /** Answers the oldest creation that it has not answered, under the id asked for or another. */
  creates(id?: number | string, revision = '0'): void {
    const asked = this.#asked.shift();
    this.says({ header: { revision }, created: true, watch_id: String(id ?? asked) });
  }
  get #asked(): number[] {
    this.#unanswered ??= [];
    for (const { create_request: creation } of this.written.slice(this.#seen)) {
      if (creation) this.#unanswered.push(creation.watch_id);
    }
    this.#seen = this.written.length;
    return this.#unanswered;
  }
  #unanswered: number[] | undefined;
  #seen = 0;
}

export const LEASE: Lease = { id: '1a', ttl: 5000, owner: 'me', key: undefined };

let ids = 0;
export const claimOf = (key: string, more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  key,
  lease: LEASE,
  id: String((ids += 1)),
  kind: 'mutex',
  since: new Date(0),
  meta: undefined,
  ...more,
});

export const stored = (key: string, value: unknown, revision = 5, lease = '26'): StoredClaim => ({
  key: Buffer.from(key),
  value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  create_revision: String(revision),
  mod_revision: String(revision),
  lease,
});

/** One transaction that was sent. */
export interface Sent {
  readonly txn: TxnRequest;
  readonly answer: Subscriber<TxnAnswer>;
}

export function fakeSend(): { readonly sent: Sent[]; send(txn: TxnRequest): Observable<TxnAnswer> } {
  const sent: Sent[] = [];
  return { sent, send: (txn) => new Observable((answer) => void sent.push({ txn, answer })) };
}
