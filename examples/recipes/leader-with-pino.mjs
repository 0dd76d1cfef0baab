/**
 * One process of the fleet does the work. The log says which one, since when, and why it stopped.
 */
import { merge, tap } from 'rxjs';
import { whileLeader } from 'rxlock';

/** Events that need attention. All others are logged as `debug`. */
const LEVELS = { lost: 'warn', requeued: 'warn', disconnected: 'error', connected: 'info', acquired: 'info' };

export function lead$(locks, logger, work) {
  const log$ = locks.events$.pipe(
    // Errors keep message and cause as JSON, tokens are text.
    tap(({ type, ...event }) => logger[LEVELS[type] ?? 'debug'](event, type)),
  );
  const work$ = whileLeader(locks.mutex('scheduler'), (held) => {
    const log = logger.child({ term: held.fencingToken.toString() });
    return work(log, held);
  });
  return merge(work$, log$);
}
