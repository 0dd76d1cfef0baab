/**
 * What a lock that was handed off within the process has to wait for before it may write guarded: its predecessors'
 * claims are still there until their deletion is acknowledged, and so would their late guarded writes succeed.
 */
import { EMPTY } from 'rxjs';
import type { Observable } from 'rxjs';
import type { HeldLock } from '../api/lock.js';

const unsettled = new WeakMap<HeldLock, Observable<unknown>>();

export const settlesWith = (held: HeldLock, settled$: Observable<unknown>): void => {
  unsettled.set(held, settled$);
};

/** Completes when nothing of those who held before, in this process, can reach the server any more. */
export const settled = (held: HeldLock): Observable<unknown> => unsettled.get(held) ?? EMPTY;
