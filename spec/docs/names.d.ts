/** The names that the examples of the documentation use without importing them. */
import type { Etcd3 } from 'etcd3';
import type { Observable as Stream } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';

declare global {
  const locks: import('rxlock').Locks;
  const held: import('rxlock').HeldLock;
  const backend: import('rxlock/etcd3').Etcd3Backend;
  const client: Etcd3;
  const Etcd: new (hosts: string) => import('rxlock/node-etcd').NodeEtcd;
  const etcd: import('rxlock/node-etcd').NodeEtcd;
  const Microlock: typeof import('rxlock/microlock').default;
  const testScheduler: TestScheduler;
  const invoices$: Stream<{ readonly id: string }>;
  const jobs$: Stream<{ readonly id: string }>;
  const report$: Stream<string>;
  const bill: (invoice: { readonly id: string }) => Stream<void>;
  const run: (job: { readonly id: string }) => Stream<void>;
  const save: (what: object) => Stream<void>;

  type HeldLock = import('rxlock').HeldLock;
  const createLocks: typeof import('rxlock').createLocks;
  const withLock: typeof import('rxlock').withLock;
  const usingLock: typeof import('rxlock').usingLock;
  const whileLeader: typeof import('rxlock').whileLeader;
  const runOnce: typeof import('rxlock').runOnce;
  const shareAcross: typeof import('rxlock').shareAcross;
  const ifAll: typeof import('rxlock/etcd3').ifAll;
  const memoryBackend: typeof import('rxlock/memory').memoryBackend;
  const etcd3Backend: typeof import('rxlock/etcd3').etcd3Backend;
  const nodeEtcdBackend: typeof import('rxlock/node-etcd').nodeEtcdBackend;
  const lockServer: typeof import('rxlock/testing').lockServer;
  const behindNetwork: typeof import('rxlock/testing').behindNetwork;
  const it: (title: string, body: () => void) => void;
  const expect: (actual: unknown) => { toEqual(expected: unknown): void };
  const stateLetters: typeof import('rxlock/testing').stateLetters;
  const ownershipLetters: typeof import('rxlock/testing').ownershipLetters;
  const wholeFrames: typeof import('rxlock/testing').wholeFrames;
  const errorCodes: typeof import('rxlock/testing').errorCodes;
  const decorate: <B extends object>(
    backend: B,
    wrap: <T>(source$: Stream<T>, call: { readonly verb: string }) => Stream<T>,
  ) => B;
  const sleepProofClock: () => { now(): number };
  type Locks = import('rxlock').Locks;
  type LocksHealthIndicator = import('rxlock/nestjs').LocksHealthIndicator;
  const { InjectLocks, LocksModule, RunOnce, WhileLeader, WithLock, heldLock }: typeof import('rxlock/nestjs');
  const instrumentLocks: typeof import('rxlock/opentelemetry').instrumentLocks;
  type Observable<T> = import('rxjs').Observable<T>;
  const mergeMap: typeof import('rxjs').mergeMap;
  const concatMap: typeof import('rxjs').concatMap;
  const takeUntil: typeof import('rxjs').takeUntil;
}
