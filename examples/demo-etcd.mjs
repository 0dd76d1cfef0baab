/**
 * The workers of the demo as processes of their own, on a real etcd v3. One of them is killed in the middle of a line,
 * with SIGKILL, so that it can tell nobody.
 */
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Etcd3 } from 'etcd3';
import { etcd3Backend } from 'rxlock/etcd3';
import { MARKS } from './marks.mjs';

export async function startFleet({ workers, victim, lastWords, ttl, tasks, file, hosts }) {
  const started =
    hosts === undefined ? await createRequire(import.meta.url)('../scripts/etcd.cjs').startEtcd() : undefined;
  const url = hosts ?? started.url;
  const script = fileURLToPath(new URL('demo-worker.mjs', import.meta.url));
  // A run on a server that has seen one before starts anew.
  const reader = new Etcd3({ hosts: url });
  await reader.delete().prefix(MARKS);

  const runWorker = (worker, index, died) =>
    new Promise((resolve, reject) => {
      const start = Math.floor((index * tasks.length) / workers.length);
      const child = fork(script, [
        '--hosts',
        url,
        '--owner',
        worker,
        '--ttl',
        String(ttl),
        '--start',
        String(start),
        '--file',
        file,
      ]);
      let mine = 0;
      // It tells before each mark and waits for an answer: the victim gets none.
      child.on('message', ({ number }) => {
        mine += 1;
        if (worker !== victim || mine < lastWords) return child.send('go on');
        child.kill('SIGKILL');
        died(tasks[number - 1]);
      });
      child.once('exit', (code, signal) =>
        code === 0 || (worker === victim && signal === 'SIGKILL')
          ? resolve()
          : reject(new Error(`${worker} ended with ${code ?? signal}`)),
      );
    });

  return {
    where: `etcd v3 at ${url}, each worker a process`,
    backend: etcd3Backend({ hosts: url }),
    run: ({ died }) => Promise.all(workers.map((worker, index) => runWorker(worker, index, died))),
    /** A reader of its own counts what is in etcd; a mark put twice would have a version of 2. */
    async read() {
      const { kvs } = await reader.getAll().prefix(MARKS).exec();
      const marks = new Map(kvs.map((kv) => [kv.key.toString(), kv]));
      return tasks.map(({ number }) => {
        const mark = marks.get(`${MARKS}${number}`);
        return mark ? Array.from({ length: Number(mark.version) }, () => JSON.parse(mark.value.toString()).worker) : [];
      });
    },
    reader: 'counted by a separate reader in etcd',
    async stop() {
      reader.close();
      await started?.stop();
    },
  };
}
