/** Pieces of SQL that are made of anybody's text. */

/** A name of a column or table. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A list of texts. */
export function texts(values: readonly string[]): string {
  return `[${values.map(text).join(', ')}]`;
}

/** A path in place of a pattern: what DuckDB takes for wildcards stands for itself. */
export function path(value: string): string {
  return text(value.replaceAll(/[*?[]/g, '[$&]'));
}

/** A time: nanoseconds since 1970, within 63 bits. */
export function time(ns: bigint): string {
  return `make_timestamp_ns(${ns})`;
}
