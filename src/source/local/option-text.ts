/** Options of QEMU's form `first,key=value,flag`: the first value may stand without its key. */
export type Options = ReadonlyMap<string, string>;

/** Splits at single commas (`,,` stands for one comma); a word without `=` is a flag, the first one the value of `firstKey`. */
export function parseOptions(text: string, firstKey: string): Options {
  const words = text.replaceAll(',,', '\0').split(',');
  return new Map(
    words.map((word, index) => {
      const plain = word.replaceAll('\0', ',');
      const equals = plain.indexOf('=');
      if (equals >= 0) return [plain.slice(0, equals), plain.slice(equals + 1)];
      return index === 0 ? [firstKey, plain] : [plain, ''];
    }),
  );
}

/** The same written as a JSON object, which some options may be; members that are no plain values are left out. */
export function parseJsonOptions(text: string): Options {
  try {
    const object: unknown = JSON.parse(text);
    if (typeof object !== 'object' || object === null || Array.isArray(object)) return new Map();
    return new Map(
      Object.entries(object).flatMap(([key, value]: readonly [string, unknown]) =>
        typeof value === 'string' || typeof value === 'number' ? [[key, String(value)] as const] : [],
      ),
    );
  } catch {
    return new Map();
  }
}

/** True where an option is switched on. */
export function isOn(options: Options, key: string): boolean {
  const value = options.get(key);
  return value !== undefined && ['on', 'yes', 'true', 'y', ''].includes(value);
}
