/**
 * Skip if busy: the job is started by many, and one at a time may do it. The others leave it and go on.
 */
export async function refresh(locks, job) {
  const done = await locks.mutex('reports/refresh').use(
    async (held) => {
      await job(held.signal);
      return true;
    },
    { wait: 0, onBusy: 'skip' },
  );
  return done ?? false;
}
