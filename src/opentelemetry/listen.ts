/**
 * Subscribes to the diagnostics channels of all locks of this process, of any copy of the package.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { AcquireMessage, HoldMessage, OutageMessage, RenewalMessage } from '../index.js';

/** The callbacks for each channel. */
export interface Listener {
  waits(message: AcquireMessage): void;
  waited(message: AcquireMessage): void;
  holds(message: HoldMessage): void;
  held(message: HoldMessage): void;
  renewal?(message: RenewalMessage): void;
  outage?(message: OutageMessage): void;
}

/** Subscribes. The returned function unsubscribes. */
export function listen(listener: Listener): () => void {
  const stops: (() => void)[] = [];
  const hear = (name: string, told: ((message: never) => void) | undefined): void => {
    if (!told) return;
    // The name of the channel decides the type of its messages.
    const heard = (message: unknown): void => told(message as never);
    subscribe(name, heard);
    stops.push(() => unsubscribe(name, heard));
  };
  hear('tracing:rxlock:acquire:start', (message: AcquireMessage) => listener.waits(message));
  hear('tracing:rxlock:acquire:asyncEnd', (message: AcquireMessage) => listener.waited(message));
  hear('tracing:rxlock:hold:start', (message: HoldMessage) => listener.holds(message));
  hear('tracing:rxlock:hold:asyncEnd', (message: HoldMessage) => listener.held(message));
  hear('rxlock:renewal', listener.renewal);
  hear('rxlock:outage', listener.outage);
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}
