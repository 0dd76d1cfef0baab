/**
 * For mutation testing: the specs in virtual time as one file, those first that fail first.
 */
const { sep } = require('node:path');

/** Parts of paths. What is not named comes between them. */
const FIRST = ['operators', 'requests-spec'];
const LAST = ['testing', 'contract-spec'];

const place = (path) => {
  const isNamed = (name) => path.includes(name.endsWith('-spec') ? name : `${sep}${name}${sep}`);
  return LAST.findIndex(isNamed) + 1 - (FIRST.some(isNamed) ? 1 : 0);
};

// Those that the runner was given: what a configuration tests is said there and nowhere else.
const paths = JSON.parse(process.env.RXLOCK_SPECS);
for (const path of paths.sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1))) require(path);
