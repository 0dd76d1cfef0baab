/**
 * Lines from another process over a pipe. Its death is heard in two ways: what we read ends, or a write of ours fails,
 * and after that no end is read any more. Both close the socket.
 */
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export function eachLine(channel: Socket, told: (line: string) => void, gone: () => void): void {
  const lines = createInterface({ input: channel });
  lines.on('line', told);
  // The interface passes on the errors of its socket; 'close' of the socket follows.
  lines.on('error', () => undefined);
  channel.on('error', () => undefined);
  channel.once('close', gone);
}
