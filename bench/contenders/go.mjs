/**
 * Go's `concurrency.Mutex` in a process of its own. It needs `go` and Debian's golang-etcd-server-dev; where they are not
 * at hand, that is said instead of figures.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Where Debian puts the sources of Go packages. */
const GOPATH = '/usr/share/gocode';

const SOURCE = fileURLToPath(new URL('go/main.go', import.meta.url));

let built;

/** Why it cannot be had, or nothing. */
export function goIsAbsent() {
  if (!existsSync(join(GOPATH, 'src/go.etcd.io/etcd/clientv3'))) return 'no golang-etcd-server-dev';
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no go';
  }
}

function binary() {
  if (built) return built;
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-go-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const env = { ...process.env, GOPATH, GO111MODULE: 'off', GOFLAGS: '', GOCACHE: join(folder, 'cache') };
  built = join(folder, 'mutex');
  execFileSync('go', ['build', '-o', built, SOURCE], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  return built;
}

/** Each request is a line there and a line back, some 50 µs together, which Go has to bear. */
export function goMutex(url) {
  const child = spawn(process.env.RXLOCK_BENCH_GO ?? binary(), [url.replace(/^https?:\/\//, '')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  process.once('exit', () => child.kill());
  const asked = new Map();
  let ids = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, taken, error } = JSON.parse(line);
    const { resolve, reject } = asked.get(id);
    asked.delete(id);
    if (error) reject(new Error(error));
    else resolve(taken);
  });
  const ask = (verb, given) =>
    new Promise((resolve, reject) => {
      ids += 1;
      asked.set(ids, { resolve, reject });
      child.stdin.write(`${JSON.stringify({ id: ids, verb, ...given })}\n`);
    });
  return {
    async take(key) {
      const taken = await ask('take', { key });
      return () => ask('give', { taken });
    },
    async close() {
      child.kill();
    },
  };
}

/** Built once, for all processes. */
export function buildGo() {
  if (!goIsAbsent()) process.env.RXLOCK_BENCH_GO ??= binary();
}
