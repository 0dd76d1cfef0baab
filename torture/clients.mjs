/**
 * The client processes: started, killed, frozen, and started again under the next number.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLIENT = fileURLToPath(new URL('client.mjs', import.meta.url));

/**
 * @param {object} given
 * @param {string} given.folder for their logs
 * @param {readonly string[]} given.slots names; each is one client at a time
 * @param {(slot: string) => object} given.setup what the client in a slot is told
 * @param {(type: string, fields: object) => void} given.record
 */
export function createClients({ folder, slots, setup, record }) {
  const running = new Map();
  const incarnations = new Map();

  const start = async (slot) => {
    const number = incarnations.get(slot) ?? 0;
    incarnations.set(slot, number + 1);
    const name = `${slot}.${number}`;
    const log = join(folder, `${name}.jsonl`);
    const child = fork(CLIENT, [JSON.stringify({ ...setup(slot), name, log })], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let words = '';
    child.stderr.on('data', (chunk) => (words = `${words}${chunk}`.slice(-2000)));
    const client = { name, slot, child, isFrozen: false, isExpected: false, exited: once(child, 'exit') };
    running.set(slot, client);
    const ready = once(child, 'message');
    void client.exited.then(([code, signal]) => {
      if (running.get(slot) === client) running.delete(slot);
      if (!client.isExpected) record('client-died', { client: name, code, signal, words });
    });
    await Promise.race([ready, client.exited]);
    record('client-started', { client: name });
    return client;
  };

  const killAll = () => {
    process.off('exit', killAll);
    for (const client of running.values()) {
      client.isExpected = true;
      signal(client, 'SIGKILL');
    }
  };
  process.once('exit', killAll);

  const signal = (client, name) => client.child.kill(name);

  return {
    start: () => Promise.all(slots.map(start)),
    restart: start,
    running: () => slots.map((slot) => running.get(slot)).filter((client) => client !== undefined),
    async kill(client) {
      client.isExpected = true;
      record('client-killed', { client: client.name });
      signal(client, 'SIGKILL');
      await client.exited;
    },
    freeze(client) {
      client.isFrozen = true;
      signal(client, 'SIGSTOP');
      record('client-frozen', { client: client.name });
    },
    thaw(client) {
      record('client-thawed', { client: client.name });
      signal(client, 'SIGCONT');
      client.isFrozen = false;
    },
    /** Resolves when it has done so, or is gone, or took too long; with whether it did. */
    async drain(client, within) {
      const drained = once(client.child, 'message').then(() => true);
      client.child.send('drain');
      return Promise.race([drained, client.exited.then(() => false), timeLimit(within)]);
    },
    /** Asks it to close; resolves when its process has ended by itself, or took too long and was killed. */
    async close(client, within) {
      client.isExpected = true;
      if (client.child.connected) client.child.send('close');
      const exit = await Promise.race([client.exited, timeLimit(within)]);
      if (exit) return exit[0] === 0;
      signal(client, 'SIGKILL');
      await client.exited;
      return false;
    },
    killAll,
  };
}

const timeLimit = (ms) => new Promise((resolve) => setTimeout(() => resolve(false), ms).unref());
