/**
 * A live page of all locks and their holders, by server-sent events. All viewers share one watch.
 */
import { createServer } from 'node:http';
import { fromEvent, map, startWith, switchMap, takeUntil, timer } from 'rxjs';

/** Proxies close silent connections. */
const COMMENT_EVERY = 15_000;

export function dashboard(locks, prefix) {
  const views$ = locks
    .watchAll$(prefix)
    // While the server cannot be followed the cause says so, and each lock is `unknown`.
    .pipe(map(({ all, cause }) => ({ locks: [...all.values()], cause: cause?.message })));
  return createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const comments$ = timer(COMMENT_EVERY, COMMENT_EVERY).pipe(map(() => ':\n\n'));
    views$
      .pipe(
        switchMap((view) => comments$.pipe(startWith(`data: ${JSON.stringify(view)}\n\n`))),
        takeUntil(fromEvent(response, 'close')),
      )
      .subscribe({ next: (text) => response.write(text), complete: () => response.end() });
  });
}
