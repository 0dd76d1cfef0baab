/**
 * The side of the thread that holds the lease: starts the worker, tells it that this thread is not blocked, and reads
 * its renewals.
 */
import { Worker } from 'node:worker_threads';
import type { Lease, RenewalPlan, RenewalWorker } from '../../../backend/port.js';
import { processTime } from '../../../time/clock.js';
import type { Etcd3Options } from '../client/options.js';
import type { EtcdServer } from '../server.js';
import { SharedMemory } from './memory.js';
import { RenewedUntil } from './renewed-until.js';
import { workerFile } from './worker-file.js';

/** The data that the worker gets. */
export interface WorkerTask {
  readonly options: Etcd3Options;
  readonly lease: Lease;
  readonly plan: Pick<RenewalPlan, 'renewEvery' | 'attempt' | 'maxStall'>;
  readonly buffer: SharedArrayBuffer;
}

/** Starts the worker of a lease. The worker makes its own client from the same options. */
export const renewalWorkers =
  (options: Etcd3Options, { source, history, isDirect }: EtcdServer) =>
  (lease: Lease, { clock, failed, ...plan }: RenewalPlan): RenewalWorker => {
    const memory = new SharedMemory();
    const until = new RenewedUntil(memory, clock, processTime);
    let isOver = false;

    const alive = (): void => {
      memory.newest = history.newest;
      memory.direct = source.endpoints().map(({ client }) => isDirect(client));
      memory.aliveAt = until.rebase();
    };
    const ended = (error: Error): void => {
      if (isOver) return;
      isOver = true;
      failed(error);
    };

    alive();
    const task: WorkerTask = { options, lease, plan, buffer: memory.buffer };
    const worker = new Worker(workerFile(), { workerData: task, execArgv: [], env: {} });
    // It must not keep the process alive.
    worker.unref();
    worker.on('error', ended);
    worker.on('exit', (code) => ended(new Error(`its thread ended with exit code ${code}.`)));

    return {
      alive,
      until: () => until.now,
      end() {
        isOver = true;
        // This also ends its running requests.
        void worker.terminate();
      },
    };
  };
