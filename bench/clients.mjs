/**
 * Client processes, and asking them.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * @param {string} url
 * @param {{ script?: string, name?: string }} [what] which contender, where the script knows several
 * @returns {Promise<{ ask: (verb: string, given?: object) => Promise<any>, kill: () => void }>}
 */
export async function startClient(url, { script = 'client.mjs', name } = {}) {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), name === undefined ? [url] : [name, url]);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
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
    process.off('exit', kill);
    for (const { reject } of asked.values()) reject(new Error(`a client process ended with ${code}`));
  });
  await ready;
  return {
    kill,
    ask: (verb, given = {}) =>
      new Promise((resolve, reject) => {
        ids += 1;
        asked.set(ids, { resolve, reject });
        child.send({ id: ids, verb, ...given });
      }),
  };
}
