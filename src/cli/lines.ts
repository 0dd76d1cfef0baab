/**
 * Lines from another process over a pipe. If that process dies, either our read ends, or a write of ours fails, and
 * then no end is read. Both close the socket.
 */
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export function eachLine(channel: Socket, told: (line: string) => void, gone: () => void): void {
  const lines = createInterface({ input: channel });
  lines.on('line', told);
  // The interface forwards errors of its socket; the 'close' event of the socket follows.
  lines.on('error', () => undefined);
  channel.on('error', () => undefined);
  channel.once('close', gone);
}
