/**
 * Drain on deploy: a process that is about to end takes no new work, and finishes the work that it has begun.
 */
export function drainOnDeploy(locks, drain = 20_000) {
  let isDraining = false;
  const shutDown = async () => {
    // A second signal ends everything at once.
    if (isDraining) return void locks.close();
    isDraining = true;
    await locks.close({ drain });
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, shutDown);
  return () => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.off(signal, shutDown);
  };
}
