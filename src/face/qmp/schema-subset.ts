import type { JsonObject, JsonValue } from '../../protocol/json/json.ts';
import { asArray, asObject, asString } from '../../protocol/qmp/shape.ts';

/** QEMU's own description of the commands that `exists` takes, and of the types that these need, with QEMU's type names. */
export function schemaSubset(schema: JsonValue, exists: (command: string) => boolean): readonly JsonObject[] {
  const entries = asArray(schema, 'query-qmp-schema').map((entry, at) => asObject(entry, `query-qmp-schema[${at}]`));
  const types = new Map(
    entries.filter(isType).map((entry) => [asString(entry['name'], 'query-qmp-schema.name'), entry]),
  );
  const wanted = new Set<JsonObject>();
  const want = (entry: JsonObject | undefined): void => {
    if (entry === undefined || wanted.has(entry)) return;
    wanted.add(entry);
    for (const name of typesNamedIn(entry)) want(types.get(name));
  };
  for (const entry of entries) {
    if (entry['meta-type'] === 'command' && exists(asString(entry['name'], 'query-qmp-schema.name'))) want(entry);
  }
  return entries.filter((entry) => wanted.has(entry));
}

function isType(entry: JsonObject): boolean {
  return entry['meta-type'] !== 'command' && entry['meta-type'] !== 'event';
}

const REFERENCES = ['arg-type', 'ret-type', 'type', 'element-type'];

/** The names of types that an entry, one of its members or one of its variants refers to. */
function typesNamedIn(entry: JsonObject): readonly string[] {
  const parts = [entry, ...['members', 'variants'].flatMap((list) => partsOf(entry[list]))];
  return parts.flatMap((part) => REFERENCES.flatMap((name) => (typeof part[name] === 'string' ? [part[name]] : [])));
}

/** The members of an enumeration are plain strings in older versions. */
function partsOf(list: JsonValue | undefined): readonly JsonObject[] {
  if (!Array.isArray(list)) return [];
  return list.filter((part): part is JsonObject => typeof part === 'object' && part !== null && !Array.isArray(part));
}
