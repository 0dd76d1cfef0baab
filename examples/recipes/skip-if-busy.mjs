/**
 * Skip if busy: many processes start the job, and one at a time does it. The others skip it.
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
