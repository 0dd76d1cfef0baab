/** All scenarios, in the order of the files of the platform's tests. */
import { acquire } from './acquire.js';
import { held } from './held.js';
import { ifAvailable } from './if-available.js';
import { lockAttributes } from './lock-attributes.js';
import { modeExclusive, modeMixed, modeShared } from './modes.js';
import { query } from './query.js';
import { resourceNames } from './resource-names.js';
import type { Scenario } from './scenario.js';
import { signal } from './signal.js';
import { stealing } from './steal.js';
import { frames, workers } from './workers.js';

export const SCENARIOS: readonly Scenario[] = [
  ...query,
  ...acquire,
  ...held,
  ...ifAvailable,
  ...lockAttributes,
  ...modeExclusive,
  ...modeMixed,
  ...modeShared,
  ...resourceNames,
  ...signal,
  ...stealing,
  ...workers,
  ...frames,
];
