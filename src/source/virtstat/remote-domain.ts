import type { Availability, Domain } from '../../model/domain.ts';
import { ERROR_CODES, type ErrorCode, VirtstatError } from '../../model/errors.ts';
import type { StatsFilter } from '../../model/filter.ts';
import type { CallOptions, FoundDomain, Provider, SchemaOptions } from '../../model/provider.ts';
import type { Schema } from '../../model/stat.ts';
import type { JsonObject, JsonValue } from '../../protocol/json/json.ts';
import { VarlinkError, type VarlinkParameters } from '../../protocol/varlink/messages.ts';
import { decodeAvailability, decodeDomain, decodeSample, decodeSchema } from '../../protocol/varlink/stats/decode.ts';
import type { VarlinkLink } from './link.ts';
import { type StatsAnswer, StatsBatch } from './stats-batch.ts';

/** How long it stays known who measures what there, in milliseconds: disks come and go. */
const PROVIDERS_MAX_AGE_MS = 10_000;

/** A domain of another virtstatd. It has a connection of its own: a slow domain does not hold up the others. */
export class RemoteDomain implements FoundDomain {
  readonly domain: Domain;
  readonly #remote: Domain;
  readonly #link: VarlinkLink;
  readonly #batch: StatsBatch;
  #listing: Promise<JsonObject> | undefined;
  #providers: { readonly known: readonly Provider[]; readonly askedMs: number } | undefined;

  constructor(remote: Domain, uri: string, link: VarlinkLink) {
    this.domain = localized(remote, uri);
    this.#remote = remote;
    this.#link = link;
    this.#batch = new StatsBatch(remote.name, (filter, options) => this.#stats(filter, options));
  }

  /** Those that have a schema there. */
  async providers(options: CallOptions): Promise<readonly Provider[]> {
    const { knownProviders } = this;
    if (knownProviders !== undefined) return knownProviders;
    const askedMs = performance.now();
    const { schemas, errors } = await this.#schemas(options);
    const byName = Map.groupBy(schemas, ({ provider }) => provider);
    const providers = [...byName].map(([name, own]) => this.#provider(name, own));
    if (errors.length === 0) this.#providers = { known: providers, askedMs };
    else if (providers.length === 0) throw errors[0];
    return providers;
  }

  get knownProviders(): readonly Provider[] | undefined {
    const asked = this.#providers;
    return asked !== undefined && performance.now() - asked.askedMs < PROVIDERS_MAX_AGE_MS ? asked.known : undefined;
  }

  async describe(options: CallOptions): Promise<Domain> {
    const { domain } = await this.#list(options);
    return localized(decodeDomain(domain as JsonValue), this.domain.source);
  }

  async availability(options: CallOptions): Promise<readonly Availability[]> {
    const { providers, errors } = await this.#list(options);
    const [error] = problems(errors);
    const available = (providers as JsonValue[]).map(decodeAvailability);
    if (error !== undefined && available.length === 0) throw error;
    return available;
  }

  /** Gives the connection back. */
  close(): void {
    this.#link.close();
  }

  #provider(name: string, schemas: readonly Schema[]): Provider {
    return {
      name,
      targets: schemas.map(({ target }) => target),
      schemas: async (_domain: Domain, _options: SchemaOptions) => schemas,
      stats: (_domain, request, options) => this.#batch.get(name, request, options),
    };
  }

  async #stats({ target, providers = [], paths }: StatsFilter, options: CallOptions): Promise<StatsAnswer> {
    const asked = { target, providers: providers.map(({ provider, names }) => ({ provider, names })), paths };
    const { samples, errors } = await this.#ask('GetStats', asked, options);
    return {
      samples: (samples as JsonValue[]).map((sample) => decodeSample(sample, this.domain.name)),
      errors: problems(errors),
    };
  }

  async #schemas(options: CallOptions): Promise<{
    readonly schemas: readonly Schema[];
    readonly errors: readonly VirtstatError[];
  }> {
    const { schemas, errors } = await this.#ask('GetSchemas', {}, options);
    return { schemas: (schemas as JsonValue[]).map(decodeSchema), errors: problems(errors) };
  }

  /** Description and availability are one answer: who wants both asks once. */
  #list(options: CallOptions): Promise<JsonObject> {
    this.#listing ??= this.#ask('ListDomains', {}, options).finally(() => (this.#listing = undefined));
    return this.#listing;
  }

  /** What the answer says of this domain; others may share its name. */
  async #ask(method: string, parameters: VarlinkParameters, options: CallOptions): Promise<JsonObject> {
    const { id, name, uuid } = this.#remote;
    const reply = await callStats(this.#link, method, { ...parameters, domains: [uuid ?? name] }, options);
    const found = (reply['domains'] as JsonObject[]).find((each) => {
      return (each['id'] ?? (each['domain'] as JsonObject | undefined)?.['id']) === id;
    });
    if (found === undefined) throw new VirtstatError('DOMAIN_GONE', `${name} is no longer at ${this.#link.name}`);
    return found;
  }
}

/** Calls a method of `org.virtstat.Stats`; the errors that it has in common with this side are this side's again. */
export async function callStats(
  link: VarlinkLink,
  method: string,
  parameters: VarlinkParameters,
  options: CallOptions,
): Promise<JsonObject> {
  try {
    return await link.call(`org.virtstat.Stats.${method}`, parameters, options);
  } catch (error) {
    throw error instanceof VarlinkError ? (translated(error) ?? error) : error;
  }
}

function translated(error: VarlinkError): VirtstatError | undefined {
  const { errorName, parameters } = error;
  if (errorName === 'org.virtstat.Stats.Failed') return problem(parameters as JsonObject);
  if (errorName !== 'org.virtstat.Stats.DomainNotFound') return undefined;
  return new VirtstatError('DOMAIN_GONE', `${parameters['domain']} is no longer there`, { cause: error });
}

function problems(json: JsonValue | undefined): readonly VirtstatError[] {
  return (json as JsonObject[]).map(problem);
}

/** A later version may have codes that this one does not. */
function problem({ code, message }: JsonObject): VirtstatError {
  const isKnown = typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
  return new VirtstatError(isKnown ? (code as ErrorCode) : 'PROVIDER_FAILED', String(message));
}

function localized(remote: Domain, uri: string): Domain {
  return { ...remote, id: `${uri}#${remote.id}`, source: uri };
}
