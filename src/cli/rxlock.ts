#!/usr/bin/env node
/**
 * The entry of the command line. Signals are handled before anything else is loaded.
 */
import { caught } from './signals.js';

const [, , first] = process.argv;
if (first === '--guardian') {
  void import('./guardian.js').then(({ guard }) => guard(process.argv[3] === 'start'));
} else {
  const signals = caught();
  void import('./main.js').then(({ main }) => main(process.argv.slice(2), signals)).then((code) => process.exit(code));
}
