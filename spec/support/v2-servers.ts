/** The servers that still serve the v2 API, as their Debian packages: all that is promised on v2 is tried on both. */
export const V2_SERVERS = [
  { server: 'etcd 3.5', suite: undefined },
  { server: 'etcd 3.4', suite: 'bookworm' },
] as const;
