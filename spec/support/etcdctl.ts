/**
 * etcdctl, as it comes with the server.
 */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { EtcdServer } from '../../scripts/etcd.cjs';

export const etcdctl = ({ binary, url }: EtcdServer, ...words: string[]) =>
  promisify(execFile)(join(dirname(binary), 'etcdctl'), ['--endpoints', url, ...words], {
    env: { ...process.env, ETCDCTL_API: '3' },
  });

/** From now on the server knows `root`, and `locker`, who may do as he likes below `jobs/` only; the password is `a-secret`. */
export async function enableRoles(etcd: EtcdServer): Promise<void> {
  await etcdctl(etcd, 'role', 'add', 'jobs');
  await etcdctl(etcd, 'role', 'grant-permission', 'jobs', 'readwrite', '--prefix=true', 'jobs/');
  await etcdctl(etcd, 'user', 'add', 'locker:a-secret');
  await etcdctl(etcd, 'user', 'grant-role', 'locker', 'jobs');
  await etcdctl(etcd, 'user', 'add', 'root:a-secret');
  await etcdctl(etcd, 'user', 'grant-role', 'root', 'root');
  await etcdctl(etcd, 'auth', 'enable');
}
