import { setTimeout as sleep } from 'node:timers/promises';
import { nextTurnMs } from '../../host/turn.ts';
import type { ProviderFilter, StatsFilter } from '../../model/filter.ts';
import { MAX_TIMER_MS } from '../../model/limits.ts';
import type { JsonObject, JsonText, JsonValue } from '../../protocol/json/json.ts';
import { JsonList } from '../../protocol/json/json-buffer.ts';
import {
  SERVICE_ERRORS,
  type SingleMethod,
  type StreamMethod,
  type VarlinkImplementation,
} from '../../protocol/varlink/service.ts';
import {
  encodeAvailability,
  encodeDomain,
  encodeProblem,
  encodeSample,
  encodeSchema,
} from '../../protocol/varlink/stats/encode.ts';
import { STATS_INTERFACE } from '../../protocol/varlink/stats/idl.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import type { Reader } from '../face.ts';
import { ChangedOnly } from './changed-only.ts';
import { requireDomains, requireKnown, statsError } from './existence.ts';

/** Shortest and longest interval of a watch, in milliseconds. */
export const MIN_INTERVAL_MS = 100;
/** See {@link MIN_INTERVAL_MS}: one day. */
export const MAX_INTERVAL_MS = 86_400_000;

/** Who reads on a connection now; throws a varlink error where nobody may. */
export type CurrentReader = () => Reader;

/** `org.virtstat.Stats` for one connection. `authenticate` takes a token; it throws a varlink error for a wrong one. */
export function statsImplementation(
  reader: CurrentReader,
  authenticate: (token: string) => void,
): VarlinkImplementation {
  const listDomains: SingleMethod = async ({ parameters, signal }) => {
    const wanted = domainsOf(parameters);
    const answers =
      parameters['brief'] === true
        ? (await reader().domains({ ...wanted, signal })).map((domain) => ({ domain, items: [], errors: [] }))
        : await reader().list({ ...wanted, signal });
    requireDomains(wanted.domains, answers);
    return {
      domains: answers.map(({ domain, items, errors }) => ({
        domain: encodeDomain(domain),
        providers: items.map(encodeAvailability),
        errors: errors.map(encodeProblem),
      })),
    };
  };
  const getSchemas: SingleMethod = async ({ parameters, signal }) => {
    const wanted = domainsOf(parameters);
    const target = present<string>(parameters['target']);
    const answers = await reader().schemas({ ...wanted, signal, ...(target !== undefined && { target }) });
    requireDomains(wanted.domains, answers);
    return {
      domains: answers.map(({ domain: { id, name }, items, errors }) => {
        return { id, name, schemas: items.map(encodeSchema), errors: errors.map(encodeProblem) };
      }),
    };
  };
  const getStats: SingleMethod = async ({ parameters, signal }) => {
    const wanted = domainsOf(parameters);
    const maxAgeMs = rangeOf(parameters, 'maxAgeMs', 0, MAX_TIMER_MS) ?? 0;
    const answers = await reader().query(filterOf(parameters), { ...wanted, signal, maxAgeMs, takesPacked: true });
    requireDomains(wanted.domains, answers);
    return { domains: encodeAnswers(answers) };
  };
  const watchStats: StreamMethod = ({ parameters, signal }) => watch(reader(), parameters, signal);
  const authenticateCaller: SingleMethod = async ({ parameters }) => {
    authenticate(parameters['token'] as string);
    return {};
  };
  return {
    definition: STATS_INTERFACE,
    single: {
      ListDomains: listDomains,
      GetSchemas: getSchemas,
      GetStats: getStats,
      Authenticate: authenticateCaller,
    },
    stream: { Watch: watchStats },
    errorOf: ({ code, message }) => statsError('Failed', { code, message }),
  };
}

/**
 * What was read for another watcher less than half an interval ago is shared, so that many cost what one costs. A domain that takes
 * longer than an interval is given as it was last, and makes nobody's next values late.
 */
async function* watch(reader: Reader, parameters: JsonObject, signal: AbortSignal): ReturnType<StreamMethod> {
  const wanted = domainsOf(parameters);
  const filter = filterOf(parameters);
  const intervalMs = rangeOf(parameters, 'intervalMs', MIN_INTERVAL_MS, MAX_INTERVAL_MS) as number;
  const schemas = await reader.schemas({ ...wanted, signal });
  requireDomains(wanted.domains, schemas);
  requireKnown(filter, schemas);
  const changes = parameters['changedOnly'] === true ? new ChangedOnly() : undefined;
  for (let dueMs = performance.now(); ; ) {
    const takesPacked = changes === undefined;
    const shared = { maxAgeMs: intervalMs / 2, patienceMs: intervalMs };
    const answers = await reader.query(filter, { ...wanted, signal, ...shared, takesPacked });
    yield { domains: encodeAnswers(changes?.reduce(answers) ?? answers) };
    dueMs = nextTurnMs(dueMs, intervalMs);
    await sleep(dueMs - performance.now(), undefined, { signal });
  }
}

/** `[]DomainStats`, which are text as soon as they are made: a whole host's would otherwise be ten thousand objects at once. */
function encodeAnswers(answers: readonly SampleAnswer[]): JsonText {
  return new JsonList(answers, ({ domain: { id, name }, items, errors }) => {
    return { id, name, samples: new JsonList(items, encodeSample), errors: errors.map(encodeProblem) };
  });
}

function domainsOf(parameters: JsonObject): { readonly domains?: readonly string[] } {
  const domains = present<string[]>(parameters['domains']);
  return domains === undefined ? {} : { domains };
}

function filterOf(parameters: JsonObject): StatsFilter {
  const providers = present<JsonObject[]>(parameters['providers']);
  const paths = present<string[]>(parameters['paths']);
  return {
    target: parameters['target'] as string,
    ...(providers && { providers: providers.map(providerOf) }),
    ...(paths && { paths }),
  };
}

function providerOf({ provider, names }: JsonObject): ProviderFilter {
  const wanted = present<string[]>(names);
  return { provider: provider as string, ...(wanted && { names: wanted }) };
}

/** @throws InvalidParameter of `org.varlink.service` */
function rangeOf(parameters: JsonObject, name: string, min: number, max: number): number | undefined {
  const value = present<number | bigint>(parameters[name]);
  if (value === undefined) return undefined;
  if (value < min || value > max) throw SERVICE_ERRORS.invalidParameter(name);
  return Number(value);
}

/** The call was checked against the definition: only null has to become absent. */
function present<T>(value: JsonValue | undefined): T | undefined {
  return (value ?? undefined) as T | undefined;
}
