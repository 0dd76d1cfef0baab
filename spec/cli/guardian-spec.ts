/**
 * The guardian by itself, spoken to as rxlock does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { RXLOCK } from './terminal.js';

jest.setTimeout(30_000);

describe('a guardian', () => {
  it('ends the command though it hears of the death of rxlock by a report that it cannot send', async () => {
    const guardian = spawn(process.execPath, [RXLOCK, '--guardian', 'start'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
    });
    const orders = guardian.stdio[3];
    if (!(orders instanceof Socket) || !guardian.stdout) throw new TypeError('no pipes');
    let printed = '';
    guardian.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    // The pipe is closed by the time the guardian reports that the command is started.
    const start = { type: 'start', command: 'sh', args: ['-c', 'echo "pid $$"; exec sleep 40'], env: process.env };
    orders.write(`${JSON.stringify(start)}\n`, () => orders.destroy());
    // 'close' comes when nobody has the output any more: neither guardian nor command.
    expect(await once(guardian, 'close')).toEqual([0, null]);
    expect(printed).toMatch(/^(pid \d+\n)?$/);
  });
});
