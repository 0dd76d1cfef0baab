/**
 * Where the code of the worker is. CommonJS, as the specs run; the build writes the form of ES modules beside it.
 */
import { join } from 'node:path';

export const workerFile = (): string | URL => join(__dirname, 'worker.js');
