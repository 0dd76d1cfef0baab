/**
 * An authority, a server on loopback and a client, for servers with client certificates.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const KEYS = { keyType: 'ec', algorithm: 'sha256' } as const;
const named = (name: string) => [{ name: 'commonName', value: name }];

/** Texts in PEM, and a folder with what the server reads. */
export async function certificates() {
  const ca = await generate(named('the authority'), {
    ...KEYS,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  const signed = { ...KEYS, ca: { key: ca.private, cert: ca.cert } };
  const server = await generate(named('the server'), {
    ...signed,
    extensions: [
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      // etcd is a client of itself, for its JSON gateway.
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    ],
  });
  const client = await generate(named('a lock client'), {
    ...signed,
    extensions: [{ name: 'extKeyUsage', clientAuth: true }],
  });
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-tls-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return {
    folder,
    ca: ca.cert,
    client: { key: client.private, cert: client.cert },
    flags: {
      'client-cert-auth': true,
      'trusted-ca-file': file('ca.pem', ca.cert),
      'cert-file': file('server.pem', server.cert),
      'key-file': file('server-key.pem', server.private),
    },
  };
}
