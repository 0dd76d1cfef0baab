/** A NestJS application that is started three times: each tick is done by one of them. */
import 'reflect-metadata';
import { setTimeout } from 'node:timers/promises';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { etcd3Backend } from 'rxlock/etcd3';
import { LocksModule, RunOnce, heldLock } from 'rxlock/nestjs';

@Injectable()
class Reports {
  @Cron('* * * * * *')
  @RunOnce(() => `reports/${Math.round(Date.now() / 1000)}`, { keep: 60_000 })
  async send(): Promise<void> {
    console.log('sending', heldLock()?.key);
    await setTimeout(50);
    console.log('sent', heldLock()?.key);
  }
}

const backend = etcd3Backend({ hosts: process.env['ETCD'] ?? '127.0.0.1:2379' });
@Module({
  imports: [ScheduleModule.forRoot(), LocksModule.forRoot({ backend, ttl: 3_000 })],
  providers: [Reports],
})
class App {}

const app = await NestFactory.createApplicationContext(App, { logger: ['error'] });
app.enableShutdownHooks();
