/** npm node-etcd brings no types: what the specs use of it. */
declare module 'node-etcd' {
  import type { Callback, NodeEtcd, RequestOptions } from '../../src/backends/node-etcd/index.js';

  class Etcd implements NodeEtcd {
    constructor(hosts?: string | readonly string[], options?: object);
    get: NodeEtcd['get'];
    set: NodeEtcd['set'];
    compareAndDelete: NodeEtcd['compareAndDelete'];
    del(key: string, options: RequestOptions, callback: Callback): unknown;
  }
  export = Etcd;
}
