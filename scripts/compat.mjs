/**
 * The package as packed, on each Node and RxJS that is promised: every entry imported and required, a lock in memory, on
 * etcd v3 and v2, and the command line. Node and RxJS come from npm, into a folder that is kept.
 *
 *   npm run compat                                  all of them
 *   npm run compat -- --node 22 --rxjs 7.5.0        one
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { startEtcd } = createRequire(import.meta.url)('./etcd.cjs');
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(homedir(), '.cache', 'rxlock', 'compat');
const SMOKE = fileURLToPath(new URL('compat-smoke.mjs', import.meta.url));

const { values } = parseArgs({
  options: {
    node: { type: 'string', multiple: true, default: ['20', '22', '24'] },
    rxjs: { type: 'string', multiple: true, default: ['7.5.0', '7'] },
  },
});

const folder = mkdtempSync(join(tmpdir(), 'rxlock-compat-'));
// With the v2 API, which etcd has up to 3.5.
const etcd = await startEtcd(undefined, { 'enable-v2': true });
try {
  const tarball = join(folder, packed(ROOT, folder));
  for (const node of values.node) {
    for (const rxjs of values.rxjs) {
      const home = join(folder, `${node}-${rxjs}`);
      const modules = join(home, 'node_modules');
      mkdirSync(join(modules, 'rxlock'), { recursive: true });
      unpack(tarball, join(modules, 'rxlock'));
      symlinkSync(fetched(`rxjs@${rxjs}`), join(modules, 'rxjs'));
      for (const name of ['tslib', 'etcd3', 'node-etcd'])
        symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
      const { exports } = JSON.parse(readFileSync(join(modules, 'rxlock', 'package.json'), 'utf8'));
      const given = { url: etcd.url, entries: Object.keys(exports).filter((entry) => !entry.endsWith('.json')) };
      writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
      writeFileSync(join(home, 'smoke.mjs'), readFileSync(SMOKE));
      const said = execFileSync(nodeOf(node), ['--trace-warnings', 'smoke.mjs', JSON.stringify(given)], {
        cwd: home,
        encoding: 'utf8',
        timeout: 60_000,
      });
      console.log(`Node ${node}, rxjs ${rxjs}: ${said.trim()}`);
    }
  }
} finally {
  await etcd.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** The Node that runs this, or the one in npm's package of the platform's binary. */
function nodeOf(version) {
  if (process.version.startsWith(`v${version}.`)) return process.execPath;
  return join(fetched(`node-${process.platform}-${process.arch}@${version}`), 'bin', 'node');
}

/** A package from npm, unpacked, without what it depends on. */
function fetched(spec) {
  const target = join(CACHE, spec.replace('@', '-'));
  if (existsSync(join(target, 'package.json'))) return target;
  const made = mkdtempSync(join(folder, 'fetched-'));
  unpack(join(made, packed(spec, made)), target);
  return target;
}

function packed(what, into) {
  const said = execFileSync('npm', ['pack', what, '--ignore-scripts', '--json', '--pack-destination', into], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const name = /"filename":\s*"([^"]+)"/.exec(said)?.[1];
  if (name === undefined) throw new Error(`npm pack ${what} said no file: ${said}`);
  return name;
}

function unpack(tarball, into) {
  mkdirSync(dirname(into), { recursive: true });
  mkdirSync(into, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', into, '--strip-components=1']);
}
