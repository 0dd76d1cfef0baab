/**
 * The rules of the house. Imports point one way: each room may import what is listed for it, and itself.
 */
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import rxjsX from 'eslint-plugin-rxjs-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const ROOMS = {
  platform: [],
  time: ['platform'],
  api: ['platform', 'time'],
  backend: ['api', 'time'],
  rules: ['api', 'backend'],
  engine: ['api', 'backend', 'platform', 'rules', 'time'],
  operators: ['api', 'platform', 'time'],
  'backends/memory': ['api', 'backend', 'rules', 'time'],
  'backends/etcd3': ['api', 'backend', 'rules', 'time'],
  'backends/node-etcd': ['api', 'backend', 'rules', 'time'],
  microlock: ['api', 'backend', 'time', 'engine', 'backends/node-etcd'],
  testing: ['api', 'backend', 'time', 'engine', 'backends/memory'],
  contract: ['api', 'backend', 'platform', 'engine', 'operators', 'testing'],
  'web-locks': ['index.ts', 'api'],
  'node-cron': ['index.ts', 'api'],
  cli: ['index.ts', 'backends/etcd3'],
  nestjs: ['index.ts', 'api', 'time'],
  opentelemetry: ['index.ts', 'api'],
};

/** For each room: everything in src but the room itself and what it may import. */
const zones = Object.entries(ROOMS).map(([room, allowed]) => ({
  // The entry of rxlock/backend gives out the rule who blocks whom, too.
  target: room === 'backend' ? './src/backend/!(index).ts' : `./src/${room}`,
  from: './src',
  except: [room, ...allowed].map((name) => `./${name}`),
  message: `src/${room} may import ${['itself', ...allowed].join(', ')}: see the rooms in eslint.config.js.`,
}));

const CLOCK_ONLY = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance'];

export default defineConfig(
  {
    ignores: [
      'dist/',
      'site/.vitepress/cache/',
      'site/.vitepress/dist/',
      'site/.made/',
      'coverage/',
      'reports/',
      '.stryker-tmp/',
      'node_modules/',
      'spec/docs/names.d.ts',
    ],
  },
  {
    files: ['src/**/*.ts', 'spec/**/*.ts', 'site/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, rxjsX.configs.recommended],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true } },
    settings: {
      'import-x/resolver-next': [
        createNodeResolver({ extensionAlias: { '.js': ['.ts', '.js'] }, extensions: ['.ts', '.js', '.d.ts'] }),
      ],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: {
      'import-x/no-cycle': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // Numbers and bigints read well in a sentence.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Objects here are closures: nothing uses `this`, so methods may be taken off them.
      '@typescript-eslint/unbound-method': 'off',
      // The reason of an AbortSignal is whatever the user aborted with.
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingAny: true, allowThrowingUnknown: true },
      ],
      'rxjs-x/no-unsafe-takeuntil': ['error', { allow: ['tap', 'finalize', 'share', 'repeat', 'retry'] }],
      // A short arrow that ends in a call says enough.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'import-x/no-restricted-paths': ['error', { zones }],
      '@typescript-eslint/consistent-type-assertions': [
        'error',
        { assertionStyle: 'as', objectLiteralTypeAssertions: 'never' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Ask the Time: time/clock.ts.' },
      ],
      'no-restricted-globals': [
        'error',
        ...CLOCK_ONLY.map((name) => ({ name, message: 'Ask the Time: time/clock.ts.' })),
      ],
    },
  },
  {
    files: ['src/backends/etcd3/client.ts'],
    // Our fault policy is a cockatiel policy by its shape, and that type still asks for this property.
    rules: { '@typescript-eslint/no-deprecated': 'off' },
  },
  {
    files: ['src/time/clock.ts', 'src/time/scheduler.ts'],
    rules: { 'no-restricted-properties': 'off', 'no-restricted-globals': 'off' },
  },
);
