import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';

/** Several sources as one. It fails where one of them does. */
export class JointSource implements Source {
  readonly uri: string;
  readonly #sources: readonly Source[];

  constructor(sources: readonly Source[]) {
    this.uri = sources.map(({ uri }) => uri).join(' ');
    this.#sources = sources;
  }

  async scan(options: CallOptions): Promise<readonly FoundDomain[]> {
    return (await Promise.all(this.#sources.map((source) => source.scan(options)))).flat();
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }
}
