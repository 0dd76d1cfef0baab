/**
 * Short plays, each with one fault and one thing that must not happen. A scenario resolves to what was wrong, or to
 * nothing.
 */
import { GUARDS } from './guards.mjs';
import { ONCES } from './onces.mjs';
import { QUEUES } from './queues.mjs';
import { SERVERS } from './servers.mjs';
import { WATCHES } from './watches.mjs';

/** @typedef {(stage: any) => Promise<string | undefined>} Scenario */

/** @type {Readonly<Record<string, Scenario>>} */
export const SCENARIOS = { ...GUARDS, ...QUEUES, ...WATCHES, ...SERVERS, ...ONCES };
