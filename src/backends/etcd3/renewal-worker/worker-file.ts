/**
 * The path of the worker's code. This is the CommonJS form, which the specs use; the build writes the form for ES
 * modules beside it.
 */
import { join } from 'node:path';

export const workerFile = (): string | URL => join(__dirname, 'worker.js');
