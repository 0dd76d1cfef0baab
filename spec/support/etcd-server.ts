/**
 * A real etcd for specs: on free loopback ports, with its v2 API on, its data in a folder that goes with it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface EtcdServer {
  readonly url: string;
  /** The folder of the binary; `etcdctl` is beside it where the package brings it. */
  readonly binary: string;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** @param suite the Debian suite to take the package of; what the machine has, by default */
export async function startEtcd(suite?: string): Promise<EtcdServer> {
  const find = [join(__dirname, '../../scripts/etcd.mjs'), ...(suite ? [suite] : [])];
  const binary = execFileSync(process.execPath, find, { encoding: 'utf8' }).trim();
  const data = mkdtempSync(join(tmpdir(), 'rxlock-etcd-'));
  const [client, peer] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const options = {
    'data-dir': data,
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `default=${peerUrl}`,
  };
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn(binary, [...given, '--enable-v2'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));

  await new Promise<void>((resolve, reject) => {
    let log = '';
    server.stderr.on('data', (chunk: Buffer) => {
      log = `${log}${chunk.toString()}`.slice(-4000);
      if (log.includes('ready to serve client requests')) resolve();
    });
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`etcd ended with ${code} before it was ready:\n${log}`)));
  });

  return {
    url,
    binary,
    signal: (signal) => server.kill(signal),
    async stop() {
      server.kill('SIGKILL');
      await exited;
      rmSync(data, { recursive: true, force: true });
    },
  };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = addressOf(probe.address());
      probe.close(() => resolve(port));
    });
  });

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address and a port');
  return address;
}
