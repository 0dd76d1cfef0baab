/**
 * Time that all processes of a machine read alike, in milliseconds (CLOCK_MONOTONIC).
 */
export const now = () => Number(process.hrtime.bigint() / 1000n) / 1000;

export const BEAT_EVERY = 5;
