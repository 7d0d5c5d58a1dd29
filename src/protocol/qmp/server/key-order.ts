import { encodeModified } from './utf8.ts';

/** Buckets of the hash table that QEMU keeps an object's members in. */
const BUCKETS = 512;

/** Names whose bucket is remembered; those of replies are few and always the same. */
const MAX_REMEMBERED = 4096;
const remembered = new Map<string, number>();

/**
 * Where QEMU puts the member of this name when it writes an object: in ascending order of buckets, the newest first inside
 * one. The hash is that of QDict, of 32 bits: `v = 0x238F13AF × length + Σ byte[i] << (5 i mod 24)`, then
 * `1103515243 v + 12345`.
 */
export function bucketOf(name: string): number {
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const bytes = encodeModified(name);
  let value = Math.imul(0x238f13af, bytes.length);
  for (let index = 0; index < bytes.length; index++) {
    value = (value + ((bytes[index] as number) << ((index * 5) % 24))) | 0;
  }
  const bucket = ((Math.imul(1103515243, value) + 12345) >>> 0) % BUCKETS;
  if (remembered.size < MAX_REMEMBERED && name.length < 64) remembered.set(name, bucket);
  return bucket;
}
