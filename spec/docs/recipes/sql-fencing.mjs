import assert from 'node:assert/strict';
import { PGlite } from '@electric-sql/pglite';
import { TABLE, deposit } from '../../../examples/recipes/sql-fencing.mjs';
import { onEtcd } from './stage.mjs';

await onEtcd(async ({ locks, client }) => {
  const db = new PGlite();
  await db.exec(TABLE);
  await db.query("insert into balances (account, amount) values ('ada', 100)");
  const amount = async () => (await db.query("select amount from balances where account = 'ada'")).rows[0].amount;

  await Promise.all([locks(), locks(), locks()].map((one) => deposit(one, db, 'ada', 10)));
  assert.equal(await amount(), 130);

  // Between its read and its write it loses the lock, and another one deposits.
  let release;
  const think = () => new Promise((resolve) => (release = resolve));
  const slow = deposit(locks(), db, 'ada', 1_000, think).catch(({ code }) => code);
  while (release === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  await client.delete().prefix('accounts/ada/');
  await deposit(locks(), db, 'ada', 10);
  release();
  // Told of the loss, or refused by the row, whichever is sooner.
  assert.match(await slow, /LOCK_LOST|LOCK_NOT_OWNED/);
  // One after another: the late write was before this.
  assert.equal(await amount(), 140);
  await db.close();
});
