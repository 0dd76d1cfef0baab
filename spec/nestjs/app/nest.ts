/**
 * How the scenarios start an application: real ones, without an HTTP server.
 */
import { Module } from '@nestjs/common';
import type { DynamicModule, INestApplicationContext, LoggerService, Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { LOCKS, LocksModule } from 'rxlock/nestjs';
import type { Locks, LockBackend } from 'rxlock';
import { memoryBackend } from 'rxlock/memory';

@Module({})
class Root {
  readonly name = 'root';
}

/** Keeps what is logged as an error. */
export class Log implements LoggerService {
  readonly errors: string[] = [];
  readonly #heard = new Set<() => void>();
  log(): void {
    // Nest tells how it starts.
  }
  warn(): void {
    // Not looked at.
  }
  error(message: unknown): void {
    this.errors.push(String(message));
    for (const heard of this.#heard) heard();
  }
  /** Resolves when an error that contains the text has been logged. */
  async logged(text: string): Promise<void> {
    while (!this.errors.some((error) => error.includes(text))) {
      await new Promise<void>((resolve) => this.#heard.add(resolve));
    }
  }
}

export interface Started {
  readonly app: INestApplicationContext;
  readonly locks: Locks;
  readonly log: Log;
}

export interface StartOptions {
  readonly imports?: DynamicModule[];
  readonly backend?: LockBackend;
  readonly locksModule?: DynamicModule;
}

export async function start(
  providers: Provider[],
  { imports = [], backend = memoryBackend(), locksModule }: StartOptions = {},
): Promise<Started> {
  const log = new Log();
  const locks = locksModule ?? LocksModule.forRoot({ backend, owner: 'nest', drain: 2_000 });
  const module = { module: Root, imports: [locks, ...imports], providers };
  const options: object = { logger: log, abortOnError: false };
  const app = await NestFactory.createApplicationContext(module, options);
  return { app, locks: app.get<Locks>(LOCKS), log };
}

/** A promise and how to settle it. */
export function pending<T = void>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}
