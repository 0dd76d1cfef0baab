/**
 * One worker of the demo, as a process: does lines until none is left.
 */
import { parseArgs } from 'node:util';
import { Etcd3 } from 'etcd3';
import { defer, fromEvent, lastValueFrom, take } from 'rxjs';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { etcdMarks } from './marks.mjs';
import { readTasks, startingAt, work$ } from './work.mjs';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string' },
    owner: { type: 'string' },
    ttl: { type: 'string' },
    start: { type: 'string' },
    file: { type: 'string' },
  },
});

const client = new Etcd3({ hosts: values.hosts });
const backend = etcd3Backend({ hosts: values.hosts });
const locks = createLocks(backend, { owner: values.owner, ttl: Number(values.ttl) });
const marks = etcdMarks(client, backend, values.owner);

/** Tells the demo before each mark and waits for its word: that is where it kills one of us. */
const beforeMark = ({ number }) =>
  defer(() => {
    process.send({ number });
    return fromEvent(process, 'message').pipe(take(1));
  });

const tasks = startingAt(readTasks(values.file), Number(values.start));
await lastValueFrom(work$({ tasks, locks, marks, beforeMark }), { defaultValue: undefined });
await locks.close();
client.close();
process.disconnect();
