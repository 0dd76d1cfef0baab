/**
 * A backend that somebody else writes against the package: the one printed in docs/backends.md, with its tests, under
 * Node's own runner.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';

jest.setTimeout(60_000);

const ROOT = join(__dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/backends.md'), 'utf8');

/** The block of the page that begins with the name of a file. */
const blockOf = (file: string): string => {
  const [, code] = new RegExp(`\`\`\`[jt]s\\n// ${file}\\n([\\s\\S]*?)\`\`\``).exec(PAGE) ?? [];
  if (code === undefined) throw new Error(`docs/backends.md has no block "// ${file}".`);
  return code;
};

describe('the backend of docs/backends.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-backend-'));
  const backend = transpileModule(blockOf('table-backend.ts'), {
    compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 },
  }).outputText;

  /** What the runner says of the contract, held against this backend. */
  const contractOn = (code: string, ...only: readonly string[]) => {
    writeFileSync(join(folder, 'table-backend.js'), code);
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--test', '--test-reporter=tap', ...only.map((title) => `--test-name-pattern=${title}`), 'contract.test.js'],
      { cwd: folder, encoding: 'utf8', timeout: 50_000 },
    );
    const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1]);
    return { status, passed: count('pass'), failed: count('fail'), stdout };
  };

  beforeAll(() => {
    expect(existsSync(join(ROOT, 'dist/esm/contract/index.js'))).toBe(true);
    mkdirSync(join(folder, 'node_modules'));
    for (const name of ['rxjs', 'tslib'])
      symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
    symlinkSync(ROOT, join(folder, 'node_modules/rxlock'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'contract.test.js'), blockOf('contract.test.js'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('keeps the contract', () => {
    const { status, passed, failed, stdout } = contractOn(backend);
    expect(failed === 0 ? '' : stdout).toBe('');
    expect(status).toBe(0);
    expect(passed).toBeGreaterThan(25);
  });

  it.each([
    ['lets a withdrawn claim in', 'withdrawn.has(claimName(claim))', 'false', 'withdrawn unanswered'],
    [
      'lets a try in that would wait',
      "mode === 'try' && ",
      'false && ',
      'a try that would have to wait writes nothing',
    ],
    ['renews a lease that is gone', 'leases.has(id) ?', 'true ?', 'on a lease that is gone says so'],
  ])('a backend that %s does not', (_, right, wrong, rule) => {
    const broken = backend.replace(right, wrong);
    expect(broken).not.toBe(backend);
    const { status, stdout } = contractOn(broken, rule);
    expect(status).not.toBe(0);
    expect(stdout).toMatch(new RegExp(`^not ok .*${rule}`, 'm'));
  });
});
