import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { FakeLibvirtd } from '../src/testing/fake-libvirtd.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { startQemu, whyNoVm } from './lab/qemu.ts';

const ROOT = new URL('..', import.meta.url).pathname;

/** The examples of docs/library.md, in order. */
function examples(): readonly string[] {
  const text = readFileSync(join(ROOT, 'docs/library.md'), 'utf8');
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);
}

/** Runs an example as a program of its own, against the built package; `more` is appended. */
async function run(code: string, more = ''): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-example-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const program = join(folder, 'example.ts');
  const imports = code.replaceAll(/'virtstat(?:\/(\w+))?'/g, (_, entry = 'index') => `'${ROOT}dist/${entry}.js'`);
  writeFileSync(program, `${imports}\n${more}`);
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 30_000 });
  return stdout;
}

it('the first example reads what it says', async (context) => {
  const reason = whyNoVm({ accel: 'kvm', paused: true });
  if (reason !== undefined) context.skip(reason);
  await using vm = await startQemu({ accel: 'kvm', paused: true, name: 'example' });
  expect(await run(examples()[0] ?? '')).toMatch(`${vm.name} /machine/unattached/device[0] [ { name: 'exits', value: `);
});

it('the provider of the second example measures every VM', async (context) => {
  const reason = whyNoVm();
  if (reason !== undefined) context.skip(reason);
  await using vm = await startQemu({ paused: true, name: 'aged' });
  const more = `
const filter = await host.resolve({ target: 'vm', names: ['age'] });
const [answer] = await host.query(filter, { domains: ['${vm.uuid}'] });
console.log(answer.items[0].provider, answer.items[0].stats[0].value);
await host.close();`;
  const [, ageMs] = /^age (\d+)n$/m.exec(await run(examples()[1] ?? '', more)) ?? [];
  expect(Number(ageMs)).toBeGreaterThan(0);
  expect(Number(ageMs)).toBeLessThan(60_000);
});

it('the third example reads from a daemon', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vsd-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await using _daemon = await DaemonProcess.ready('-c', `kvm+file:${ROOT}captures/kvm`, '--runtime-dir', folder);
  const [listed = '', sweep = ''] = (await run((examples()[2] ?? '').replace('/run/virtstat', folder))).split('\n');
  expect(JSON.parse(listed)).toMatchObject([{ domain: { name: 'lab.t0' } }, {}, {}]);
  expect(JSON.parse(sweep)).toMatchObject({ domains: [{ name: 'lab.t0', samples: [{ target: 'vm' }] }, {}, {}] });
});

it('the example with libvirt prints typed parameters', async () => {
  const domain = { name: 'web-1', uuid: '00000000-0000-4000-8000-000000000001', id: 7 };
  const params = [{ field: 'balloon.current', type: 'ullong', value: 2n ** 64n - 1n }] as const;
  await using fake = await FakeLibvirtd.listen({ records: [{ domain, params }] });
  const code = (examples()[3] ?? '').replace('qemu:///system', fake.uri);
  expect(await run(code)).toBe('web-1 balloon.current ullong 18446744073709551615n\n');
  expect(fake.calls.at(-1)).toMatchObject({ args: { stats: 5, flags: 0 } });
});
