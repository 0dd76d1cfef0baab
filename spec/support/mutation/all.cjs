/**
 * For mutation testing: the specs in virtual time as one file, those first that fail first.
 */
const { readdirSync } = require('node:fs');
const { join } = require('node:path');

const ROOMS = ['operators', 'session', 'lock', 'core', 'testing'];
const SPECS = join(__dirname, '../..');

for (const room of ROOMS) {
  for (const file of readdirSync(join(SPECS, room))) {
    if (file !== 'volume-spec.ts') require(join(SPECS, room, file));
  }
}
