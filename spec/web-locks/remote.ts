/**
 * The manager of another process or worker, as if it were here: callbacks run here, while the lock is held there.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Client, GrantedLock, Info } from './scenarios/scenario.js';

const CLIENT = join(__dirname, 'client.mjs');

interface Message {
  readonly id?: number;
  readonly ready?: true;
  readonly granted?: GrantedLock | null;
  readonly settled?: true;
  readonly failed?: string;
  readonly message?: string;
  readonly snapshot?: Snapshot;
}

interface Snapshot {
  readonly held: readonly Info[];
  readonly pending: readonly Info[];
}

/** The two ends of a channel. */
interface Channel {
  send(message: object): void;
  onMessage(listener: (message: Message) => void): void;
  terminate(): Promise<void>;
}

export interface Remote {
  /** Its manager of that prefix. */
  manager(prefix: string): Client;
  terminate(): Promise<void>;
}

export function processOn(url: string): Promise<Remote> {
  const child = spawn(process.execPath, [CLIENT, url], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return remote({
    send(message) {
      if (!child.connected || child.killed) return;
      // Without a callback, a message that was on its way when the process was killed is an error nobody can catch.
      child.send(message, (error) => {
        if (error && !child.killed) child.emit('error', error);
      });
    },
    onMessage: (listener) => child.on('message', listener),
    terminate: () => {
      child.kill('SIGKILL');
      return exited;
    },
  });
}

/** With the lock manager of Node. */
export function workerThread(): Promise<Remote> {
  const worker = new Worker(CLIENT);
  return remote({
    send: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.on('message', listener),
    terminate: async () => {
      await worker.terminate();
    },
  });
}

async function remote({ send, onMessage, terminate }: Channel): Promise<Remote> {
  const listeners = new Map<number, (message: Message) => void>();
  let ids = 0;
  await new Promise<void>((resolve) =>
    onMessage((message) => {
      if (message.ready) resolve();
      else listeners.get(message.id ?? -1)?.(message);
    }),
  );

  const ask = (message: object, listener: (answer: Message) => void): number => {
    const id = (ids += 1);
    listeners.set(id, listener);
    send({ ...message, id });
    return id;
  };

  const request = (prefix: string, name: unknown, options: unknown, callback: (lock: unknown) => unknown) =>
    new Promise<unknown>((resolve, reject) => {
      let settle = (): void => undefined;
      const id = ask({ op: 'request', prefix, name, options }, ({ granted, settled, failed, message }) => {
        if (granted !== undefined) {
          new Promise((done) => done(callback(granted))).then(
            (value) => {
              settle = () => resolve(value);
              send({ op: 'settle', id, isFulfilled: true });
            },
            (error: unknown) => {
              settle = () => reject(error);
              send({ op: 'settle', id, isFulfilled: false });
            },
          );
        } else if (settled || failed === 'Error') settle();
        else reject(Object.assign(new Error(message), { name: failed }));
      });
    });

  return {
    manager: (prefix) => ({
      request: (...given) => {
        const [name, options, callback] = given.length > 2 ? given : [given[0], {}, given[1]];
        if (!isCallback(callback)) throw new TypeError('the remote manager is for requests that are right');
        return request(prefix, name, options, callback);
      },
      query: () =>
        new Promise((resolve, reject) => {
          ask({ op: 'query', prefix }, ({ snapshot, message }) =>
            snapshot ? resolve(snapshot) : reject(new Error(message)),
          );
        }),
      terminate,
    }),
    terminate,
  };
}

const isCallback = (given: unknown): given is (lock: unknown) => unknown => typeof given === 'function';
