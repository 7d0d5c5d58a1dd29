import type { StatDescriptor } from '../../model/stat.ts';
import type { SchemaAnswer } from '../../registry/answer.ts';
import { errorElement } from './list-document.ts';

/** The JSON of `schemas`: an element for each schema, with QMP's member names and rules for which is there. */
export function schemasDocument(answers: readonly SchemaAnswer[]): unknown[] {
  return answers.flatMap(({ domain, items, errors }) => [
    ...items.map(({ provider, target, stats }) => ({
      domain: domain.name,
      provider,
      target,
      stats: stats.map(statElement),
    })),
    ...errors.map((error) => errorElement(domain, error)),
  ]);
}

function statElement({ name, type, unit, base, exponent, bucketSize }: StatDescriptor): unknown {
  return { name, type, unit, base, exponent, 'bucket-size': bucketSize };
}
