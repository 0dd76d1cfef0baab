/**
 * What each Nest has to do. Compiled as applications are (scenarios-spec.ts), run by each Nest in a process of its own.
 */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { Inject, Injectable, Scope, SetMetadata } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { NEVER, Observable, defer, firstValueFrom, lastValueFrom, of, throwError, timer } from 'rxjs';
import { AlreadyLockedError, InvalidOptionError, LockLostError } from 'rxlock';
import type { HeldLock, Locks } from 'rxlock';
import { memoryBackend } from 'rxlock/memory';
import {
  InjectLocks,
  LOCKS,
  LocksHealthIndicator,
  LocksModule,
  RunOnce,
  WhileLeader,
  WithLock,
  heldLock,
} from 'rxlock/nestjs';
import type * as imported from 'rxlock/nestjs';
import { pending, start } from './nest.js';
import { TITLES } from './titles.js';
import type { Title } from './titles.js';

const EVERY_MINUTE = '0 * * * * *';
const EVERY_SECOND = '* * * * * *';

class Nothing {
  readonly name = 'nothing';
}

/** Counts who is at work at a time. */
class Desk {
  most = 0;
  #now = 0;
  enter(): void {
    this.#now += 1;
    this.most = Math.max(this.most, this.#now);
  }
  leave(): void {
    this.#now -= 1;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const isFree = async (locks: Locks, key: string): Promise<void> => {
  await (await locks.mutex(key).acquire({ wait: 0 })).release();
};

const scenarios: Record<Title, () => Promise<void>> = {
  async 'a promise method runs one call at a time, an Observable method, too'() {
    const desk = new Desk();
    @Injectable()
    class Work {
      @WithLock('work')
      async promise(): Promise<string> {
        desk.enter();
        await turn();
        desk.leave();
        return 'done';
      }
      @WithLock('work')
      observable(): Observable<number> {
        return defer(() => {
          desk.enter();
          return of(1, 2);
        });
      }
    }
    const { app } = await start([Work]);
    const work = app.get(Work);
    const count$ = work.observable();
    const all = await Promise.all([
      work.promise(),
      work.promise(),
      lastValueFrom(count$).then((last) => (desk.leave(), last)),
    ]);
    assert.deepEqual(all, ['done', 'done', 2]);
    assert.equal(desk.most, 1);
    await app.close();
  },

  async 'an Observable method contends when it is subscribed to, and each subscription anew'() {
    let calls = 0;
    @Injectable()
    class Work {
      @WithLock('work')
      run(): Observable<number> {
        calls += 1;
        return of(calls);
      }
      @WithLock('work', { returns: 'observable' })
      inferred() {
        return of('no type is written down');
      }
    }
    const { app, locks } = await start([Work]);
    const run$ = app.get(Work).run();
    assert.equal(calls, 0);
    assert.equal(await lastValueFrom(run$), 1);
    assert.equal(await lastValueFrom(run$), 2);
    assert.equal(await lastValueFrom(app.get(Work).inferred()), 'no type is written down');
    // Unsubscribed: given back.
    const held = await locks.mutex('work').acquire();
    run$.subscribe().unsubscribe();
    await held.release();
    await isFree(locks, 'work');
    await app.close();
  },

  async 'the key is made of the arguments, and of the object'() {
    @Injectable()
    class Work {
      readonly tenant = 'acme';
      @WithLock((id: string) => `invoices/${id}`)
      async bill(id: string, amount: number): Promise<string> {
        await turn();
        return `${String(heldLock()?.key)} ${id} ${amount}`;
      }
      @WithLock(function (this: Work) {
        return `tenants/${this.tenant}`;
      })
      async own(): Promise<string | undefined> {
        await turn();
        return heldLock()?.key;
      }
    }
    const { app } = await start([Work]);
    assert.equal(await app.get(Work).bill('17', 5), 'invoices/17 17 5');
    assert.equal(await app.get(Work).own(), 'tenants/acme');
    await app.close();
  },

  async 'what a method throws, rejects or errors with arrives, and the lock is free'() {
    const fault = new Error('no paper');
    @Injectable()
    class Work {
      @WithLock('throws')
      throws(): Promise<void> {
        throw fault;
      }
      @WithLock('rejects')
      async rejects(): Promise<void> {
        await turn();
        throw fault;
      }
      @WithLock('errors')
      errors(): Observable<never> {
        return throwError(() => fault);
      }
      @WithLock(() => {
        throw fault;
      })
      async keyless(): Promise<void> {
        await turn();
      }
    }
    const { app, locks } = await start([Work]);
    const work = app.get(Work);
    await assert.rejects(work.throws(), fault);
    await assert.rejects(work.rejects(), fault);
    await assert.rejects(lastValueFrom(work.errors()), fault);
    await assert.rejects(work.keyless(), fault);
    for (const key of ['throws', 'rejects', 'errors']) await isFree(locks, key);
    await app.close();
  },

  async 'a busy lock rejects, or is skipped'() {
    @Injectable()
    class Work {
      @WithLock('busy', { wait: 0 })
      async rejects(): Promise<string> {
        await turn();
        return 'ran';
      }
      @WithLock('busy', { wait: 0, onBusy: 'skip' })
      async skips(): Promise<string | undefined> {
        await turn();
        return 'ran';
      }
      @WithLock('busy', { wait: 0, onBusy: 'skip' })
      skips$(): Observable<string> {
        return of('ran');
      }
    }
    const { app, locks } = await start([Work]);
    const held = await locks.mutex('busy').acquire();
    const work = app.get(Work);
    await assert.rejects(work.rejects(), AlreadyLockedError);
    assert.equal(await work.skips(), undefined);
    assert.equal(await lastValueFrom(work.skips$(), { defaultValue: 'nothing' }), 'nothing');
    await held.release();
    assert.equal(await work.skips(), 'ran');
    await app.close();
  },

  async 'a lost lock rejects at once, and the signal aborts in the method'() {
    const begun = pending<HeldLock>();
    const aborted = pending<unknown>();
    const stopped = pending();
    @Injectable()
    class Work {
      @WithLock('lost')
      async run(): Promise<void> {
        const held = heldLock();
        assert.ok(held);
        held.signal.addEventListener('abort', () => aborted.resolve(held.signal.reason));
        begun.resolve(held);
        await new Promise(() => undefined);
      }
      @WithLock('lost$')
      run$(): Observable<never> {
        return new Observable(() => {
          begun$.resolve();
          return () => stopped.resolve();
        });
      }
    }
    const begun$ = pending();
    const { app, locks } = await start([Work]);
    const running = app.get(Work).run();
    await begun.promise;
    const take = { reason: 'host is drained', within: 0 };
    await Promise.all([assert.rejects(running, LockLostError), locks.mutex('lost').revoke(take)]);
    assert.ok((await aborted.promise) instanceof LockLostError);
    const running$ = lastValueFrom(app.get(Work).run$());
    await begun$.promise;
    await Promise.all([assert.rejects(running$, LockLostError), locks.mutex('lost$').revoke(take), stopped.promise]);
    await app.close();
  },

  async 'the async context of the caller is that of the method, and the innermost lock is at hand'() {
    const request = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    @Injectable()
    class Work {
      @WithLock('outer')
      async outer(): Promise<void> {
        seen.push(request.getStore(), heldLock()?.key);
        await this.inner();
        seen.push(heldLock()?.key);
        await lastValueFrom(this.inner$());
      }
      @WithLock('inner')
      async inner(): Promise<void> {
        await turn();
        seen.push(request.getStore(), heldLock()?.key);
      }
      @WithLock('inner$')
      inner$(): Observable<number> {
        return defer(() => {
          seen.push(request.getStore(), heldLock()?.key);
          return of(1);
        });
      }
    }
    const { app, locks } = await start([Work]);
    // Delivered by the release of another request.
    const held = await locks.mutex('outer').acquire();
    const running = request.run('alice', () => app.get(Work).outer());
    await request.run('bob', () => held.release());
    await running;
    assert.deepEqual(seen, ['alice', 'outer', 'alice', 'inner', 'outer', 'alice', 'inner$']);
    assert.equal(heldLock(), undefined);
    await app.close();
  },

  async 'another lock of that key can be asked for'() {
    const desk = new Desk();
    const both = pending();
    @Injectable()
    class Work {
      @WithLock('read', { lock: (locks, key) => locks.readLock(key) })
      async read(): Promise<void> {
        desk.enter();
        if (desk.most === 2) both.resolve();
        await both.promise;
      }
    }
    const { app } = await start([Work]);
    await Promise.all([app.get(Work).read(), app.get(Work).read()]);
    await app.close();
  },

  async 'metadata, name and length stay, and @Cron goes in either order'() {
    const ran = { inner: pending<string | undefined>(), outer: pending<string | undefined>() };
    @Injectable()
    class Work {
      @SetMetadata('theirs', 1)
      @WithLock('above')
      @SetMetadata('under', 2)
      async named(a: string, b: string): Promise<string> {
        await turn();
        return a + b;
      }
      @Cron(EVERY_SECOND, { name: 'cron above' })
      @WithLock('cron above')
      async inner(): Promise<void> {
        await turn();
        ran.inner.resolve(heldLock()?.key);
      }
      @WithLock('cron below')
      @Cron(EVERY_SECOND, { name: 'cron below' })
      async outer(): Promise<void> {
        await turn();
        ran.outer.resolve(heldLock()?.key);
      }
    }
    const { named } = Work.prototype;
    assert.equal(Reflect.getMetadata('theirs', named), 1);
    assert.equal(Reflect.getMetadata('under', named), 2);
    assert.equal(named.name, 'named');
    assert.equal(named.length, 2);
    const { app } = await start([Work], { imports: [ScheduleModule.forRoot()] });
    assert.equal(app.get(SchedulerRegistry).getCronJobs().size, 2);
    assert.equal(await ran.inner.promise, 'cron above');
    assert.equal(await ran.outer.promise, 'cron below');
    await app.close();
  },

  async 'request-scoped providers, derived classes and products of factories have the locks'() {
    class Base {
      @WithLock('based')
      async run(): Promise<string | undefined> {
        await turn();
        return heldLock()?.key;
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Base {
      @Inject(LOCKS) readonly mine?: Locks;
      @WithLock('of the request')
      async own(): Promise<string | undefined> {
        await turn();
        return heldLock()?.key;
      }
    }
    @Injectable()
    class Derived extends Base {
      constructor(@InjectLocks() readonly locks: Locks) {
        super();
      }
    }
    const { app, locks } = await start([PerRequest, Derived, { provide: 'made', useFactory: () => new Base() }]);
    const one = await app.resolve(PerRequest, ContextIdFactory.create());
    const other = await app.resolve(PerRequest, ContextIdFactory.create());
    assert.notEqual(one, other);
    assert.equal(one.mine, locks);
    assert.equal(await one.own(), 'of the request');
    assert.equal(await other.run(), 'based');
    assert.equal(await app.get(Derived).run(), 'based');
    assert.equal(app.get(Derived).locks, locks);
    assert.equal(await app.get<Base>('made').run(), 'based');
    // Loggers and comparisons do not meet it.
    assert.deepEqual(Object.assign(Object.create(null), app.get<Base>('made')), Object.create(null));
    await app.close();
  },

  async 'an object that Nest did not make is told what to do'() {
    class Work {
      @WithLock('work')
      async run(): Promise<void> {
        await turn();
      }
    }
    await assert.rejects(new Work().run(), (error) => {
      assert.ok(error instanceof InvalidOptionError);
      assert.match(error.message, /@WithLock on Work\.run finds no Locks in its object: import LocksModule/);
      return true;
    });
    // Without the module the application does not start.
    const without = start([Injectable()(Work) ?? Work], { locksModule: { module: Nothing } });
    await assert.rejects(without, /rxlock\.nestjs\.locks/);
  },

  async 'an Observable that nobody expected is told, and not run without its lock'() {
    let subscriptions = 0;
    @Injectable()
    class Work {
      @WithLock('work')
      inferred() {
        return defer(() => of((subscriptions += 1)));
      }
    }
    const { app, locks } = await start([Work]);
    const returned: unknown = app.get(Work).inferred();
    await assert.rejects(returned as Promise<unknown>, /Work\.inferred returned an Observable.*returns: 'observable'/);
    assert.equal(subscriptions, 0);
    await isFree(locks, 'work');
    await app.close();
  },

  async 'what is on a schedule must not return an Observable'() {
    @Injectable()
    class Work {
      @Cron(EVERY_MINUTE)
      @WithLock('work')
      run(): Observable<number> {
        return of(1);
      }
    }
    const starting = start([Work], { imports: [ScheduleModule.forRoot()] });
    await assert.rejects(starting, /Work\.run is on a schedule and returns an Observable: nobody would subscribe/);
  },

  async 'a leader runs from the start, and ends at the shutdown, before its lock is given back'() {
    const begun = { promise: pending<HeldLock>(), observable: pending() };
    const order: string[] = [];
    @Injectable()
    class Work {
      @WhileLeader('promise')
      async promise(held: HeldLock): Promise<void> {
        begun.promise.resolve(held);
        await new Promise<void>((resolve) => held.signal.addEventListener('abort', () => resolve()));
        await turn();
        order.push(`promise ended, held: ${held.isHeld()}`);
      }
      @WhileLeader('observable')
      observable(held: HeldLock): Observable<never> {
        return new Observable(() => {
          begun.observable.resolve();
          return () => order.push(`observable stopped, held: ${held.isHeld()}`);
        });
      }
      @WhileLeader('taken')
      waits(): Observable<never> {
        order.push('must not run');
        return NEVER;
      }
    }
    const backend = memoryBackend();
    const { app: other, locks: theirs } = await start([], { backend });
    await theirs.mutex('taken').acquire();
    const { app, locks } = await start([Work], { backend });
    const held = await begun.promise.promise;
    await begun.observable.promise;
    assert.equal(held.key, 'promise');
    assert.equal((await firstValueFrom(locks.mutex('observable').ownership$())).status, 'held');
    await app.close();
    assert.deepEqual(order.sort(), ['observable stopped, held: true', 'promise ended, held: true']);
    await other.close();
  },

  async 'a leader that fails is logged, and leads again'() {
    let runs = 0;
    const again = pending();
    @Injectable()
    class Work {
      @WhileLeader('leader')
      run(): Observable<never> {
        runs += 1;
        if (runs === 1) throw new Error('no paper');
        if (runs === 2) return throwError(() => new Error('no ink'));
        again.resolve();
        return NEVER;
      }
      @WhileLeader('taken', { wait: 0 })
      busy(): Observable<never> {
        return NEVER;
      }
    }
    const backend = memoryBackend();
    const { app: other, locks: theirs } = await start([], { backend });
    await theirs.mutex('taken').acquire();
    const { app, log } = await start([Work], { backend });
    await again.promise;
    await log.logged('@WhileLeader on Work.busy contends no more');
    assert.deepEqual(
      log.errors.filter((error) => error.includes('Work.run')),
      ['@WhileLeader on Work.run failed: Error: no paper', '@WhileLeader on Work.run failed: Error: no ink'],
    );
    await app.close();
    await other.close();
  },

  async 'a leader must live as long as the application, and be on no schedule'() {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @WhileLeader('leader')
      run(): Observable<never> {
        return NEVER;
      }
    }
    await assert.rejects(start([PerRequest]), /@WhileLeader on PerRequest\.run: its provider lives for one request/);
    @Injectable()
    class Scheduled {
      @Cron(EVERY_MINUTE)
      @WhileLeader('leader')
      async run(): Promise<void> {
        await turn();
      }
    }
    @Injectable()
    class ScheduledBelow {
      @WhileLeader('leader')
      @Cron(EVERY_MINUTE)
      async run(): Promise<void> {
        await turn();
      }
    }
    for (const work of [Scheduled, ScheduledBelow]) {
      await assert.rejects(start([work]), /run: it runs by itself while it leads.*Use @WithLock or @RunOnce/);
    }
  },

  async 'decorators of one copy of the package find the module of another one'() {
    const required = createRequire(import.meta.url)('rxlock/nestjs') as typeof imported;
    assert.notEqual(required.LocksModule, LocksModule);
    const led = pending();
    @Injectable()
    class Work {
      @required.WithLock('work')
      async run(): Promise<string | undefined> {
        await turn();
        return heldLock()?.key;
      }
      @WithLock('mine')
      async mine(): Promise<string | undefined> {
        await turn();
        return required.heldLock()?.key;
      }
      @WhileLeader('leader')
      lead(): Observable<never> {
        led.resolve();
        return NEVER;
      }
    }
    const locksModule = required.LocksModule.forRoot({ backend: memoryBackend() });
    const { app } = await start([Work], { locksModule });
    assert.equal(await app.get(Work).run(), 'work');
    assert.equal(await app.get(Work).mine(), 'mine');
    await led.promise;
    await app.close();
  },

  async 'the module takes its options from a factory, and refuses bad ones'() {
    const locksModule = LocksModule.forRootAsync({
      inject: [],
      useFactory: async () => {
        await turn();
        return { backend: memoryBackend(), owner: 'async' };
      },
    });
    const { app, locks } = await start([], { locksModule });
    const held = await locks.mutex('k').acquire();
    assert.equal(held.owner, 'async');
    await held.release();
    await app.close();
    await assert.rejects(locks.mutex('k').acquire(), { code: 'LOCKS_CLOSED' });
    const bad = (options: object): Promise<unknown> =>
      start([], { locksModule: LocksModule.forRoot({ backend: memoryBackend(), ...options }) });
    await assert.rejects(bad({ drain: -1 }), /drain is -1: give milliseconds/);
    await assert.rejects(bad({ timeout: 5 }), InvalidOptionError);
    await assert.rejects(bad({ backend: 'http://127.0.0.1' }), /give addresses to the backend/);
    assert.throws(() => WithLock('k', { retries: 3 } as object), InvalidOptionError);
    assert.throws(() => WithLock(17 as unknown as string), /give @WithLock a text, or a function/);
    const noMethod = (): unknown => WithLock('k')(Nothing.prototype, 'run', { value: undefined } as never);
    assert.throws(noMethod, InvalidOptionError);
    const standard = (): unknown => WithLock('k')(async () => turn(), { kind: 'method' } as never, undefined as never);
    assert.throws(standard, /set experimentalDecorators/);
  },

  async 'what is run once is run by one of two applications, its value is that of both, and the next one runs what failed'() {
    let runs = 0;
    let failures = 0;
    @Injectable()
    class Work {
      @RunOnce((tick: string) => `ticks/${tick}`, { keep: 60_000 })
      async tick(tick: string): Promise<string> {
        runs += 1;
        await turn();
        return `${String(heldLock()?.key)} ${tick}`;
      }
      @RunOnce('stream', { keep: 60_000 })
      stream(): Observable<number> {
        return defer(() => of(1, (runs += 1)));
      }
      @RunOnce('fails', { keep: 60_000 })
      async fails(): Promise<string> {
        await turn();
        failures += 1;
        if (failures === 1) throw new Error('no paper');
        return 'done';
      }
    }
    const backend = memoryBackend();
    const apps = [await start([Work], { backend }), await start([Work], { backend })];
    const [a, b] = apps.map(({ app }) => app.get(Work));
    assert.ok(a && b);
    assert.deepEqual(await Promise.all([a.tick('1'), b.tick('1')]), ['ticks/1 1', 'ticks/1 1']);
    assert.equal(await a.tick('1'), 'ticks/1 1');
    assert.equal(runs, 1);
    await a.tick('2');
    assert.equal(runs, 2);
    assert.equal(await lastValueFrom(a.stream()), 3);
    assert.equal(await lastValueFrom(b.stream()), 3);
    await assert.rejects(a.fails(), /no paper/);
    assert.equal(await b.fails(), 'done');
    assert.equal(await a.fails(), 'done');
    assert.equal(failures, 2);
    assert.throws(
      () => Reflect.apply(RunOnce, undefined, ['k', {}]) as unknown,
      /keep is undefined: give milliseconds/,
    );
    for (const { app } of apps) await app.close();
  },

  async 'the health indicator says up, and down with a message'() {
    const { app, locks } = await start([]);
    const health = app.get(LocksHealthIndicator);
    assert.deepEqual(await health.isHealthy(), { locks: { status: 'up' } });
    assert.deepEqual(await health.isHealthy('etcd'), { etcd: { status: 'up' } });
    await locks.close();
    const { etcd } = await health.isHealthy('etcd');
    assert.equal(etcd?.status, 'down');
    assert.ok(etcd.message);
    await app.close();
  },
};

/** Real time is asked for nowhere; what never comes is told as such. */
const PATIENCE = 10_000;

const only = process.argv[2];
for (const title of TITLES) {
  if (only !== undefined && !title.includes(only)) continue;
  const late = timer(PATIENCE);
  const error = await Promise.race([
    scenarios[title]().then(
      () => undefined,
      (thrown: unknown) => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)),
    ),
    firstValueFrom(late).then(() => `not over after ${PATIENCE} ms`),
  ]);
  process.stdout.write(`${JSON.stringify({ title, error })}\n`);
}
process.exit(0);
