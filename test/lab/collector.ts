import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import { uncompress } from 'snappyjs';
import { WriteRequestSchema } from '../../src/protocol/remote-write/remote_pb.ts';

/** A request that came to a {@link Collector}. */
export interface CollectedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** True once it was answered with 2xx. */
  readonly isTaken: boolean;
}

/** An engine that keeps requests as they are, and answers as a test wants. */
export class Collector implements AsyncDisposable {
  readonly #server: Server;
  /** All that came, whatever was answered. */
  readonly requests: CollectedRequest[] = [];
  /** Answers; 204 where the test sets nothing else. */
  answer: (response: ServerResponse) => void = (response) => void response.writeHead(204).end();

  private constructor(tls: ServerOptions | undefined) {
    this.#server = tls === undefined ? createServer() : createTlsServer(tls);
    this.#server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const came = { headers: request.headers, body: Buffer.concat(chunks), isTaken: false };
        this.requests.push(came);
        response.on('finish', () => (came.isTaken = response.statusCode < 300));
        this.answer(response);
      });
    });
  }

  /** Listens at a port of its own, behind TLS where something is given for that. */
  static async listen(tls?: ServerOptions): Promise<Collector> {
    const collector = new Collector(tls);
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  /** Where it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Of requests of remote write that were taken: times of samples by their series, in milliseconds, in the order in which they
   * came.
   */
  get timesBySeries(): ReadonlyMap<string, readonly number[]> {
    const found = new Map<string, number[]>();
    for (const { body } of this.requests.filter(({ isTaken }) => isTaken)) {
      for (const { labels, samples } of fromBinary(WriteRequestSchema, uncompress(body)).timeseries) {
        const key = JSON.stringify(labels.map(({ name, value }) => [name, value]));
        const times = found.get(key) ?? [];
        times.push(...samples.map(({ timestamp }) => Number(timestamp)));
        found.set(key, times);
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
