/**
 * Finds an etcd, or fetches one: prints the path of its binary.
 *
 *   node scripts/etcd.mjs             the one tests run on: $ETCD_BIN, else etcd on PATH, else Debian's 3.5
 *   node scripts/etcd.mjs bookworm    Debian's package of that suite (bookworm: 3.4, trixie: 3.5)
 *
 * Fetching needs apt-get and dpkg, but neither root nor a service: package lists and files live in a cache folder.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const DEFAULT_SUITE = 'trixie';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Another etcd than these serves no v2 API, which half of the contract specs run on. */
const SERVES_V2 = /etcd Version: 3\.[45]\./;

/** The path of an etcd binary. Throws with a sentence that says what to install. */
export function findEtcd(suite) {
  if (suite) return fetched(suite);
  const given = process.env.ETCD_BIN;
  if (given) return checked(given, 'ETCD_BIN');
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'etcd')).find(existsSync);
  return onPath ? checked(onPath, 'PATH') : fetched(DEFAULT_SUITE);
}

function checked(binary, from) {
  let version;
  try {
    version = execFileSync(binary, ['--version'], { encoding: 'utf8' });
  } catch (cause) {
    throw new Error(`${binary} (from ${from}) cannot be run.`, { cause });
  }
  if (SERVES_V2.test(version)) return binary;
  throw new Error(`${binary} (from ${from}) is ${version.split('\n')[0]}; the specs need 3.4 or 3.5, which serve the v2 API too.`);
}

function fetched(suite) {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'rxlock', 'etcd');
  const kept = join(cache, suite);
  const binary = join(kept, 'usr', 'bin', 'etcd');
  if (existsSync(binary)) return binary;

  const work = join(cache, `.${suite}-${process.pid}`);
  try {
    download(suite, work);
    rmSync(kept, { recursive: true, force: true });
    renameSync(join(work, 'root'), kept);
  } catch (cause) {
    if (existsSync(binary)) return binary; // another run was faster
    throw new Error(
      "There is no etcd here, and Debian's packages cannot be fetched. Install etcd 3.4 or 3.5 (Debian: etcd-server, " +
        'macOS: brew install etcd, others: github.com/etcd-io/etcd/releases) so that it is on PATH, or set ETCD_BIN to it.',
      { cause },
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return binary;
}

/** With lists and state of its own, so that the system's are neither needed nor touched. */
function download(suite, work) {
  const folders = { lists: join(work, 'lists'), archives: join(work, 'archives'), debs: join(work, 'debs'), root: join(work, 'root') };
  for (const folder of [join(folders.lists, 'partial'), join(folders.archives, 'partial'), folders.debs, folders.root]) {
    mkdirSync(folder, { recursive: true });
  }
  const sources = join(work, 'sources.list');
  const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  writeFileSync(sources, `deb ${signed}${mirror()} ${suite} main\n`);
  writeFileSync(join(work, 'status'), '');
  const options = [
    `Dir::State::lists=${folders.lists}`,
    `Dir::State::status=${join(work, 'status')}`,
    `Dir::Cache=${folders.archives}`,
    `Dir::Cache::archives=${folders.archives}`,
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=-',
    'APT::Sandbox::User=',
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option]);
  const quiet = { stdio: ['ignore', 'ignore', 'pipe'], cwd: folders.debs };
  execFileSync('apt-get', [...options, 'update'], quiet);
  execFileSync('apt-get', [...options, 'download', 'etcd-server', 'etcd-client'], quiet);
  const debs = execFileSync('ls', [folders.debs], { encoding: 'utf8' }).trim().split('\n');
  for (const deb of debs) execFileSync('dpkg', ['-x', join(folders.debs, deb), folders.root], quiet);
}

/** The mirror that this machine's apt is set up for. */
function mirror() {
  const uris = execFileSync('apt-get', ['update', '--print-uris'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const found = /'(\S+\/debian\/)dists\//.exec(uris);
  if (!found) throw new Error('apt is not set up for a Debian mirror.');
  return found[1];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    console.log(findEtcd(process.argv[2]));
  } catch (error) {
    console.error(error.message);
    if (error.cause) console.error(String(error.cause.stderr ?? error.cause));
    process.exitCode = 1;
  }
}
