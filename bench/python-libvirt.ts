import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** python3-libvirt: the system's own Python has it. */
const PYTHON = '/usr/bin/python3';
const BINDING = '/usr/lib/python3/dist-packages/libvirt.py';

const SCRIPT = `
import sys, libvirt
connection = libvirt.openReadOnly(sys.argv[1])
for line in sys.stdin:
    print(len(connection.getAllDomainStats()), flush=True)
`;

/** Why libvirt's own client cannot be measured here; undefined where it can. */
export function whyNoPythonLibvirt(): string | undefined {
  return existsSync(BINDING) ? undefined : `${BINDING} is not installed`;
}

/** A client of libvirt by its own C library, which asks for all statistics of all domains when it is told to. */
export class PythonLibvirt implements Disposable {
  readonly #child;
  readonly #answers;

  constructor(uri: string) {
    this.#child = spawn(PYTHON, ['-c', SCRIPT, uri], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it has the answer. @throws where that is not about so many domains */
  async call(domains: number): Promise<void> {
    this.#child.stdin.write('\n');
    const { value } = await this.#answers.next();
    if (Number(value) !== domains) throw new Error(`libvirt told of ${value} domains, not of ${domains}`);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
