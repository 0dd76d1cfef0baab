/**
 * The markers of a memory server: beside the queues, each with a lease of its own.
 */
import { Observable } from 'rxjs';
import { at } from '../../time/clock.js';
import type { Time } from '../../time/clock.js';
import type { MarkRequest, MarkResult, Marker, MarkerView } from '../../backend/port.js';

/** What the markers need from their server. */
export interface MarkerHost {
  readonly time: Time;
  revision(): bigint;
  nextRevision(): bigint;
  isQueued(request: MarkRequest): boolean;
  dequeue(request: MarkRequest): void;
}

export interface MemoryMarkers {
  read(key: string): MarkerView;
  follow(key: string): Observable<MarkerView>;
  write(request: MarkRequest): MarkResult;
  withdraw(request: MarkRequest): void;
}

interface KeptMarker extends Marker {
  readonly lease: string;
  readonly expiresAt: number;
}

export function createMarkers({ time, revision, nextRevision, isQueued, dequeue }: MarkerHost): MemoryMarkers {
  const markers = new Map<string, KeptMarker>();
  const watchers = new Map<string, Set<(view: MarkerView) => void>>();

  const read = (key: string): MarkerView => {
    const there = markers.get(key);
    // The marker may have expired before its timer has run.
    if (there && time.now() >= there.expiresAt) drop(key, there);
    const marker = markers.get(key);
    return { key, revision: revision(), marker: marker && { token: marker.token, value: marker.value } };
  };

  const tell = (key: string): void => {
    const view = read(key);
    for (const watcher of [...(watchers.get(key) ?? [])]) watcher(view);
  };

  const drop = (key: string, marker: KeptMarker): void => {
    if (markers.get(key) !== marker) return;
    markers.delete(key);
    nextRevision();
    tell(key);
  };

  return {
    read,

    write(request) {
      const { lease, value, claim } = request;
      const { key } = claim;
      read(key);
      const there = markers.get(key);
      if (there?.lease === lease.id) return 'written';
      if (!isQueued(request)) return 'gone';
      if (there) return 'taken';
      const marker = { token: nextRevision(), value, lease: lease.id, expiresAt: time.now() + lease.ttl };
      markers.set(key, marker);
      at(time, marker.expiresAt).subscribe(() => drop(key, marker));
      tell(key);
      return 'written';
    },

    withdraw: dequeue,

    follow: (key) =>
      new Observable((subscriber) => {
        const watching = watchers.get(key) ?? new Set();
        watchers.set(key, watching);
        const watcher = (view: MarkerView): void => subscriber.next(view);
        watching.add(watcher);
        subscriber.next(read(key));
        return () => {
          watching.delete(watcher);
          if (watching.size === 0 && watchers.get(key) === watching) watchers.delete(key);
        };
      }),
  };
}
