import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { DynamicModule, Provider } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { InvalidOptionError, createLocks } from '../index.js';
import type { LockBackend, Locks, LocksOptions } from '../index.js';
import { LocksHealthIndicator } from './health.js';
import { LocksLifecycle } from './lifecycle.js';
import { LOCKS } from './tokens.js';

/** The options of {@link LocksModule}: those of `createLocks`, and two more. Durations are milliseconds. */
export interface LocksModuleOptions extends LocksOptions {
  /** The backend, such as `etcd3Backend({ hosts })`. The module closes it. */
  readonly backend: LockBackend;
  /** How long holders may finish when the application shuts down, 10 000 by default. */
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

/** The default drain, milliseconds. Orchestrators kill a process that takes much longer to shut down. */
const DRAIN = 10_000;

function checkedDrain(drain = DRAIN): number {
  if (typeof drain === 'number' && drain >= 0 && drain < Infinity) return drain;
  throw new InvalidOptionError('drain', drain, 'give milliseconds, 0 to let nobody finish.');
}

/**
 * The `Locks` of a Nest application, for all of its modules. `forRoot({ backend })`, or `forRootAsync({ useFactory,
 * inject })` if the options are injected. With `isGlobal: false` only the modules that import it get the `Locks`.
 *
 * At the shutdown, leaders are asked to end, waiters are withdrawn, holders may finish for `drain` milliseconds, and
 * all locks are released. A signal such as SIGTERM causes a shutdown only if `app.enableShutdownHooks()` was called.
 *
 * @example
 * const locksModule = LocksModule.forRootAsync({
 *   useFactory: () => ({ backend: etcd3Backend({ hosts: process.env['ETCD'] ?? '127.0.0.1:2379' }) }),
 * });
 */
export class LocksModule extends ConfigurableModuleClass {}
