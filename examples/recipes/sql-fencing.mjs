/**
 * Fencing in SQL: each row keeps the greatest token that has written to it, and refuses smaller ones. A holder that
 * slept through its deadline changes nothing.
 */
import { LockNotOwnedError } from 'rxlock';

/** numeric, since a token may be greater than JavaScript's safe integers; drivers take it as text. */
export const TABLE = `
  create table balances (
    account text primary key,
    amount integer not null,
    fence numeric not null default 0
  )`;

export async function deposit(locks, db, account, amount, think = async () => undefined) {
  await locks.mutex(`accounts/${account}`).use(async (held) => {
    const { rows } = await db.query('select amount from balances where account = $1', [account]);
    await think(held);
    const { affectedRows } = await db.query(
      'update balances set amount = $2, fence = $3 where account = $1 and fence <= $3::numeric',
      [account, rows[0].amount + amount, held.fencingToken.toString()],
    );
    if (affectedRows !== 1) throw new LockNotOwnedError({ key: held.key });
  });
}
