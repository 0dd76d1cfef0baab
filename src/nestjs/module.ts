import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { DynamicModule, Provider } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { InvalidOptionError, createLocks } from '../index.js';
import type { LockBackend, Locks, LocksOptions } from '../index.js';
import { LocksHealthIndicator } from './health.js';
import { LocksLifecycle } from './lifecycle.js';
import { LOCKS } from './tokens.js';

/** The options of {@link LocksModule}: those of `createLocks`, and these. Durations are milliseconds. */
export interface LocksModuleOptions extends LocksOptions {
  /** Where the locks are, such as `etcd3Backend({ hosts })`. The module closes it. */
  readonly backend: LockBackend;
  /** How long who holds a lock may finish when the application shuts down, 10 000 by default. */
  readonly drain?: number | undefined;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<LocksModuleOptions>({
  moduleName: 'Locks',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createLocksOptions')
  .setExtras<{ isGlobal?: boolean }>({ isGlobal: true }, (definition, { isGlobal = true }): DynamicModule => ({
    ...definition,
    global: isGlobal,
    imports: [...(definition.imports ?? []), DiscoveryModule],
    providers: [...(definition.providers ?? []), ...providers],
    exports: [LOCKS, LocksHealthIndicator],
  }))
  .build();

const providers: Provider[] = [
  {
    provide: LOCKS,
    useFactory: ({ backend, drain, ...options }: LocksModuleOptions): Locks => {
      checkedDrain(drain);
      return createLocks(backend, options);
    },
    inject: [MODULE_OPTIONS_TOKEN],
  },
  {
    provide: LocksHealthIndicator,
    useFactory: (locks: Locks) => new LocksHealthIndicator(locks),
    inject: [LOCKS],
  },
  {
    provide: LocksLifecycle,
    useFactory: (locks: Locks, { drain }: LocksModuleOptions, discovery: DiscoveryService) =>
      new LocksLifecycle(locks, checkedDrain(drain), discovery),
    inject: [LOCKS, MODULE_OPTIONS_TOKEN, DiscoveryService],
  },
];

/** A second less than many an orchestrator's patience would be too long by default. */
const DRAIN = 10_000;

function checkedDrain(drain = DRAIN): number {
  if (typeof drain === 'number' && drain >= 0 && drain < Infinity) return drain;
  throw new InvalidOptionError('drain', drain, 'give milliseconds, 0 to let nobody finish.');
}

/**
 * The `Locks` of a Nest application, for all of its modules. `forRoot({ backend })`, or `forRootAsync({ useFactory,
 * inject })` where the options are to be injected; `isGlobal: false` for those modules only that import it.
 *
 * At the shutdown leaders are asked to end, waiters stop waiting, who holds a lock may finish for `drain` milliseconds,
 * and all is given back. A signal such as SIGTERM shuts down where `app.enableShutdownHooks()` was called.
 *
 * @example
 * const locksModule = LocksModule.forRootAsync({
 *   useFactory: () => ({ backend: etcd3Backend({ hosts: process.env['ETCD'] ?? '127.0.0.1:2379' }) }),
 * });
 */
export class LocksModule extends ConfigurableModuleClass {}
