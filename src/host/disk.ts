import { copyFileSync, truncateSync } from 'node:fs';
import { VirtstatError } from '../model/errors.ts';

/**
 * Makes the image of a disk that begins with the boot sector in the file `bootSector` and is empty otherwise; the empty part
 * takes no room.
 * @throws DEMO_FAILED
 */
export function makeDisk(path: string, bootSector: string, sizeBytes: number): void {
  try {
    copyFileSync(bootSector, path);
    truncateSync(path, sizeBytes);
  } catch (error) {
    throw VirtstatError.from(error, 'DEMO_FAILED', `the disk ${path} could not be made`);
  }
}
