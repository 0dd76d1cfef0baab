/** Renewals, each answered with the ttl from now on, or with 0 where there is no such lease. */
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from '../../../src/backends/etcd3/client/messages.js';
import { Stream } from './duplex.js';

export class RenewalStream extends Stream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> {
  readonly #renew: (id: string) => LeaseKeepAliveResponse | undefined;
  readonly #closed: (stream: RenewalStream) => void;

  /** @param renew answers, or says nothing */
  constructor(
    renew: (id: string) => LeaseKeepAliveResponse | undefined,
    closed: (stream: RenewalStream) => void = () => undefined,
  ) {
    super();
    this.#renew = renew;
    this.#closed = closed;
  }

  protected asked({ ID = 0 }: LeaseKeepAliveRequest): void {
    const answer = this.#renew(BigInt(ID).toString());
    if (answer) this.says(answer);
  }

  protected closed(): void {
    this.#closed(this);
  }
}
