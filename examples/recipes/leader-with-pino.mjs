/**
 * One of the fleet does it, and the log says who, since when, and why not any more.
 */
import { merge, tap } from 'rxjs';
import { whileLeader } from 'rxlock';

/** What somebody should look at. The rest is for who looks for something. */
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
