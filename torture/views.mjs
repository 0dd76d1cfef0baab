/**
 * What those who look on are told, against what the servers had. Pure.
 */
import { grouped } from './grouped.mjs';
import { claimId } from './history.mjs';
import { lockOf } from './names.mjs';

/**
 * States that somebody was told and that had been untrue for some time when the next one came: `calm` is how long that
 * went on without a fault that could excuse it, while its process ran.
 *
 * @param {import('./history.mjs').History} history
 * @param {(from: number, until: number) => number} calmOf
 * @returns {{ client: string, key: string, t: number, what: string, calm: number }[]}
 */
export function staleOf({ told, claims, records, pauses, killed }, calmOf) {
  const byId = new Map(claims.map((claim) => [claimId(claim.created, lockOf(claim.key)), claim]));
  const atKey = grouped(claims, ({ key }) => lockOf(key));
  const ends = new Map();
  for (const { client, type, t } of records) if (type !== 'exit' && type !== 'closed') ends.set(client, t);
  for (const { client, type, t } of records) if (type === 'drain') ends.set(client, t);
  const stoodStill = (client, from, until) =>
    pauses.some((pause) => pause.client === client && pause.from < until && pause.until > from);

  return [...grouped(told, ({ client, key }) => `${client} ${key}`).values()].flatMap((states) =>
    states.flatMap(({ client, key, t, status, tokens }, i) => {
      const until = states[i + 1]?.t ?? Math.min(ends.get(client) ?? t, killed.get(client) ?? Infinity);
      const untrue = [];
      if (status === 'held') {
        for (const token of tokens) {
          const { deletedAt = Infinity, wasInBackup } = byId.get(claimId(token, key)) ?? {};
          // It may be there again, and nobody sees it come.
          if (wasInBackup) continue;
          untrue.push({ from: Math.max(t, deletedAt), until, what: `held by ${token}, whose claim was gone` });
        }
      } else if (status === 'free') {
        for (const { created, createdAt, deletedAt = Infinity } of atKey.get(key) ?? []) {
          if (createdAt > until || deletedAt < t) continue;
          untrue.push({
            from: Math.max(t, createdAt),
            until: Math.min(until, deletedAt),
            what: `free, while ${created} was there`,
          });
        }
      }
      return untrue
        .filter((each) => each.until > each.from && !stoodStill(client, each.from, each.until))
        .map((each) => ({ client, key, t: each.from, what: each.what, calm: calmOf(each.from, each.until) }));
    }),
  );
}
