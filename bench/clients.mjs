/**
 * Client processes, and asking them.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLIENT = fileURLToPath(new URL('client.mjs', import.meta.url));

/** @returns {Promise<{ ask: (verb: string, given?: object) => Promise<any> }>} */
export async function startClient(url) {
  const child = fork(CLIENT, [url]);
  process.once('exit', () => child.kill());
  const asked = new Map();
  let ids = 0;
  const ready = new Promise((resolve, reject) => {
    asked.set(0, { resolve, reject });
  });
  child.on('message', ({ id, answer, error }) => {
    const { resolve, reject } = asked.get(id);
    asked.delete(id);
    if (error === undefined) resolve(answer);
    else reject(new Error(error));
  });
  child.on('exit', (code) => {
    for (const { reject } of asked.values()) reject(new Error(`a client process ended with ${code}`));
  });
  await ready;
  return {
    ask: (verb, given = {}) =>
      new Promise((resolve, reject) => {
        ids += 1;
        asked.set(ids, { resolve, reject });
        child.send({ id: ids, verb, ...given });
      }),
  };
}
