/**
 * Signals to a child process, and when they have taken effect.
 */
const { readFileSync, readdirSync } = require('node:fs');

const STOPS_WITHIN = 5000;
const LOOK_EVERY = 1;

/**
 * Sends the signal to a child; false where there is none. After a `SIGSTOP` the child has stopped: the kernel delivers
 * it to one thread after another, and until the last one has it, a server on a busy machine goes on answering.
 *
 * @param {import('node:child_process').ChildProcess | undefined} child
 * @param {NodeJS.Signals} signal
 * @returns {boolean}
 */
function signalled(child, signal) {
  if (child?.pid === undefined || !child.kill(signal)) return false;
  if (signal === 'SIGSTOP' && process.platform === 'linux') waitUntilStopped(child.pid);
  return true;
}

/** Without giving way to the event loop: who freezes a server says so in the same breath. */
function waitUntilStopped(pid) {
  const giveUpAt = performance.now() + STOPS_WITHIN;
  const lock = new Int32Array(new SharedArrayBuffer(4));
  while (!statesOf(pid).every((state) => /[TtZX]/.test(state))) {
    if (performance.now() > giveUpAt) throw new Error(`process ${pid} did not stop within ${STOPS_WITHIN} ms`);
    Atomics.wait(lock, 0, 0, LOOK_EVERY);
  }
}

/** Of all threads, as the kernel says them: `T` is stopped. A thread that ended meanwhile has none. */
function statesOf(pid) {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    try {
      // The name, in brackets, may have blanks and brackets of its own.
      return readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .charAt(0);
    } catch (error) {
      if (error.code === 'ENOENT' || error.code === 'ESRCH') return 'X';
      throw error;
    }
  });
}

module.exports = { signalled };
