/** Text formats of metrics: OpenMetrics 1.0, and the older one of Prometheus, 0.0.4. */
export type ExpositionFormat = 'openmetrics' | 'prometheus';

/** What a reply of each format is called. */
export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
};

/** Longest Accept that is looked at: clients send some hundred characters. */
const MAX_ACCEPT_LENGTH = 4096;

/** Most entries of an Accept that are looked at. */
const MAX_ACCEPT_ENTRIES = 64;

/**
 * The format that a client likes best by its header Accept (RFC 9110, 12.5.1). Who asks for none of the two, or sends nothing, is
 * given Prometheus's, which every one of them reads.
 */
export function negotiate(accept: string | undefined): ExpositionFormat {
  const entries = (accept ?? '').slice(0, MAX_ACCEPT_LENGTH).split(',').slice(0, MAX_ACCEPT_ENTRIES);
  let best: ExpositionFormat = 'prometheus';
  let bestQuality = 0;
  for (const entry of entries) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const format = formatOf(type, parameters);
    const quality = format === undefined ? 0 : qualityOf(parameters);
    if (format !== undefined && quality > bestQuality) [best, bestQuality] = [format, quality];
  }
  return best;
}

function formatOf(type: string, parameters: readonly string[]): ExpositionFormat | undefined {
  const version = parameters.find((parameter) => parameter.startsWith('version='))?.slice('version='.length);
  if (type === 'application/openmetrics-text')
    return /^(1\.0\.0|0\.0\.1|)$/.test(version ?? '') ? 'openmetrics' : undefined;
  if (type === 'text/plain') return version === undefined || version === '0.0.4' ? 'prometheus' : undefined;
  return type === '*/*' || type === 'text/*' ? 'prometheus' : undefined;
}

function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = given === undefined ? 1 : Number(given.slice(2));
  return quality >= 0 && quality <= 1 ? quality : 0;
}
