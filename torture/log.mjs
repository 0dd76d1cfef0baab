/**
 * Append-only logs, a line of JSON for each record. Written at once and synchronously: what a process knew before it
 * was killed is there.
 */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { now } from './clock.mjs';

/**
 * @param {string} file
 * @returns {(type: string, fields?: object, t?: number) => void}
 */
export function openLog(file) {
  const descriptor = openSync(file, 'a');
  return (type, fields = {}, t = now()) => {
    writeSync(descriptor, `${JSON.stringify({ t, type, ...fields }, bigintAsText)}\n`);
  };
}

const bigintAsText = (_, value) => (typeof value === 'bigint' ? value.toString() : value);

/** The records of a file. A process that is killed may leave half a line at the end. */
export function readLog(file) {
  const lines = readFileSync(file, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line));
}
