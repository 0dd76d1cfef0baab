/**
 * Starts and ends the `Locks` of an application with its lifecycle.
 */
import { Logger } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleInit,
} from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import type { DiscoveryService } from '@nestjs/core';
import { InvalidOptionError } from '../index.js';
import type { Locks } from '../index.js';
import { timeOf } from '../time/clock.js';
import { closeWithin } from './close.js';
import { giveLocks, locksOf, wantsLocks } from './inject-locks.js';
import { Leader } from './leader.js';
import { FORM, LEADS } from './tokens.js';
import type { Leads } from './while-leader.js';

/** The metadata that `@Cron`, `@Interval` and `@Timeout` of `@nestjs/schedule` set on a method. */
const SCHEDULED = 'SCHEDULER_TYPE';

export class LocksLifecycle
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #locks: Locks;
  readonly #drain: number;
  readonly #discovery: DiscoveryService;
  readonly #scanner = new MetadataScanner();
  readonly #logger = new Logger('Locks');
  readonly #leaders: Leader[] = [];

  constructor(locks: Locks, drain: number, discovery: DiscoveryService) {
    this.#locks = locks;
    this.#drain = drain;
    this.#discovery = discovery;
  }

  onModuleInit(): void {
    for (const provider of [...this.#discovery.getControllers(), ...this.#discovery.getProviders()]) {
      // A request-scoped provider has a static instance here, only for inspection.
      const one: unknown = provider.instance;
      if (typeof one !== 'object' || one === null) continue;
      const prototype: unknown = Object.getPrototypeOf(one);
      if (typeof prototype !== 'object' || prototype === null) continue;
      if (wantsLocks(one) && provider.isDependencyTreeStatic()) giveLocks(one, this.#locks);
      for (const name of this.#scanner.getAllMethodNames(prototype)) {
        const method: unknown = Reflect.get(one, name);
        if (typeof method === 'function') this.#look(one, method, provider.isDependencyTreeStatic());
      }
    }
  }

  onApplicationBootstrap(): void {
    for (const leader of this.#leaders) leader.start();
  }

  /** Stops leaders before the connections that they use are closed, which mostly happens in `onApplicationShutdown`. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.#leaders.map((leader) => leader.stop(this.#drain)));
  }

  /** By now the server of the application and its schedules have stopped. */
  async onApplicationShutdown(): Promise<void> {
    await closeWithin(this.#locks, this.#drain);
  }

  #look(one: object, method: object, isStatic: boolean): void {
    const isScheduled = Reflect.hasMetadata(SCHEDULED, method);
    if (isScheduled && Reflect.getMetadata(FORM, method) === 'observable') {
      const name = `${one.constructor.name}.${Reflect.get(method, 'name') as string}`;
      const advice = 'nobody would subscribe to it. Return a promise: lastValueFrom(…, { defaultValue: undefined }).';
      throw new InvalidOptionError('method', name, '', `${name} is on a schedule and returns an Observable: ${advice}`);
    }
    const leads: unknown = Reflect.getMetadata(LEADS, method);
    if (isLeads(leads)) this.#lead(one, method, leads, isScheduled, isStatic);
  }

  #lead(
    one: object,
    method: object,
    { what, key, lockOf, options }: Leads,
    isScheduled: boolean,
    isStatic: boolean,
  ): void {
    const refuse = (advice: string): never => {
      throw new InvalidOptionError('method', what, '', `${what}: ${advice}`);
    };
    if (isScheduled) {
      refuse(
        'it runs by itself while it leads, and would run on its schedule without leading. Use @WithLock or @RunOnce.',
      );
    }
    if (!isStatic)
      refuse('its provider lives for one request only. Put it in one that lives as long as the application.');
    this.#leaders.push(
      new Leader({
        what,
        lock: lockOf(locksOf(one, what), key),
        options,
        time: timeOf(),
        logger: this.#logger,
        run: (held) => Reflect.apply(method as (...args: unknown[]) => unknown, one, [held]),
      }),
    );
  }
}

const isLeads = (value: unknown): value is Leads => typeof value === 'object' && value !== null && 'lockOf' in value;
