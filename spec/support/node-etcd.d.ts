/** npm node-etcd brings no types: what the specs use of it. */
declare module 'node-etcd' {
  type Callback = (error: unknown, body?: unknown, headers?: Readonly<Record<string, unknown>>) => void;
  type Options = Readonly<Record<string, string | number | boolean>>;
  interface Token {
    abort(): void;
  }

  class Etcd {
    constructor(hosts?: string | readonly string[], options?: object);
    get(key: string, options: Options, callback: Callback): Token;
    set(key: string, value: string | null, options: Options, callback: Callback): Token;
    del(key: string, options: Options, callback: Callback): Token;
    compareAndDelete(key: string, value: string, options: Options, callback: Callback): Token;
    getHosts(): readonly string[];
  }
  export = Etcd;
}
