/**
 * Debian's Chromium, driven by playwright-core, which downloads nothing.
 */
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { CHROMIUM_BIN } = process.env;
const PLACES = CHROMIUM_BIN ? [CHROMIUM_BIN] : ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

/** Quiet: nothing is asked of anybody outside. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser; without one the process ends with a sentence that says how to get it. */
export function launch() {
  const executablePath = PLACES.find((place) => existsSync(place));
  if (executablePath !== undefined) return chromium.launch({ executablePath, args: FLAGS });
  const advice = "install Debian's (`apt-get install -y chromium`), or name one in CHROMIUM_BIN.";
  console.error(`There is no Chromium at ${PLACES.join(' or ')}: ${advice}`);
  process.exit(1);
}
