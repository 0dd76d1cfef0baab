/**
 * The lines of one `Locks`, by key.
 */
import { EMPTY, defer } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Engine } from '../session/engine.js';
import { Line } from './line.js';
import type { Street, View } from './line.js';
import type { Patrol } from './patrol.js';

export interface Lines {
  /** The line at the key, made when needed. */
  at(key: string): Line;
  /** The queue of a key, followed while subscribed. */
  view$(key: string): Observable<View>;
  /** Ends all watches, for good. */
  stop(): void;
}

export function createLines(engine: Engine, patrol: Patrol): Lines {
  const lines = new Map<string, Line>();
  let isStopped = false;

  const street: Street = {
    followed: (line) => patrol.add(line),
    empty: (line) => lines.delete(line.key),
  };

  const lineAt = (key: string): Line => {
    const there = lines.get(key);
    if (there) return there;
    const line = new Line(engine, key, street);
    lines.set(key, line);
    return line;
  };

  return {
    at: lineAt,
    view$: (key) => defer(() => (isStopped ? EMPTY : lineAt(key).view$())),
    stop() {
      isStopped = true;
      for (const line of [...lines.values()]) line.stop();
    },
  };
}
