/** The etcds that serve v3 and the v2 API, as their Debian packages: what is promised on etcd is tried on both. */
export const ETCDS = [
  { server: 'etcd 3.5', suite: undefined },
  { server: 'etcd 3.4', suite: 'bookworm' },
] as const;
