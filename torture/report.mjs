import { historyOf } from './history.mjs';
import { violationsOf } from './checker.mjs';
export function report({ run, changes, clients }) {
  const { ttl } = run.find(({ type }) => type === 'settings');
  const history = historyOf({ ttl, clients, run, changes });
  const violations = violationsOf(history);
  return {
    text:
      violations
        .slice(0, 30)
        .map((v) => `${v.rule}: ${v.message}`)
        .join('\n') + `\n${violations.length} violations`,
    files: {},
    violations,
  };
}
