/**
 * Binaries from Debian's packages, where the machine has none of its own. Needs apt-get and dpkg, but neither root nor a
 * service: package lists and files live in a cache folder. CommonJS, since the specs run as that.
 */
const { execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { homedir } = require('node:os');
const { join } = require('node:path');

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * The folder that the packages of a suite are unpacked in, like a `/` of its own. Throws when they cannot be fetched.
 *
 * @param {{ name: string, suite: string, packages: readonly string[], binary: string }} wanted `binary` of them, relative
 *   to the folder: when it is there, all is
 * @returns {string}
 */
function unpacked({ name, suite, packages, binary }) {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'rxlock', name);
  const kept = join(cache, suite);
  if (existsSync(join(kept, binary))) return kept;

  const work = join(cache, `.${suite}-${process.pid}`);
  try {
    download(suite, packages, work);
    rmSync(kept, { recursive: true, force: true });
    renameSync(join(work, 'root'), kept);
  } catch (cause) {
    // Another run may have been faster.
    if (!existsSync(join(kept, binary))) throw cause;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return kept;
}

/** With lists and state of its own, so that the system's are neither needed nor touched. */
function download(suite, packages, work) {
  const folders = {
    lists: join(work, 'lists'),
    archives: join(work, 'archives'),
    debs: join(work, 'debs'),
    root: join(work, 'root'),
  };
  for (const folder of [
    join(folders.lists, 'partial'),
    join(folders.archives, 'partial'),
    folders.debs,
    folders.root,
  ]) {
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
  execFileSync('apt-get', [...options, 'download', ...packages], quiet);
  for (const deb of readdirSync(folders.debs))
    execFileSync('dpkg', ['-x', join(folders.debs, deb), folders.root], quiet);
}

/** The mirror that this machine's apt is set up for. */
function mirror() {
  const uris = execFileSync('apt-get', ['update', '--print-uris'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const found = /'(\S+\/debian\/)dists\//.exec(uris);
  if (!found) throw new Error('apt is not set up for a Debian mirror.');
  return found[1];
}

module.exports = { unpacked };
