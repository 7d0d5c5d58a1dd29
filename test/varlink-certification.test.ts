import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import { stringifyJson } from '../src/protocol/json/json.ts';
import { type Caller, CERTIFICATION, callerOf, certifier, certify } from './lab/certification.ts';
import { connectVarlink, VarlinkListener } from './lab/varlink.ts';
import { needVarlinkctl, varlinkctl, varlinkctlJson } from './lab/varlinkctl.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-varlink-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let sockets = 0;
function newSocket(): string {
  return join(folder, `${++sockets}.sock`);
}

describe('org.varlink.certification', () => {
  it('is passed by our client against our service', async () => {
    const path = newSocket();
    await using service = await VarlinkListener.listen(path, certifier());
    await using connected = await connectVarlink(path, [CERTIFICATION]);
    expect(await certify(callerOf(connected.client))).toBe(true);
    expect(service.closed).toEqual([]);
  });

  it('is passed byte by byte, and by many at once', async () => {
    const path = newSocket();
    await using _service = await VarlinkListener.listen(path, certifier(), 1);
    const passed = Array.from({ length: 20 }, async () => {
      await using connected = await connectVarlink(path, [CERTIFICATION]);
      return await certify(callerOf(connected.client));
    });
    expect(new Set(await Promise.all(passed))).toEqual(new Set([true]));
  });

  it('is not passed by a client that errs', async () => {
    const path = newSocket();
    await using _service = await VarlinkListener.listen(path, certifier());
    await using connected = await connectVarlink(path);
    const call = callerOf(connected.client);
    const wrong: Caller = (method, parameters, how) =>
      call(method, method === 'Test03' ? { ...parameters, int: 2 } : parameters, how);
    await expect(certify(wrong)).rejects.toMatchObject({
      errorName: 'org.varlink.certification.CertificationError',
      parameters: { wants: { int: 1 }, got: { int: 2 } },
    });
    const skipping: Caller = async (method, parameters, how) =>
      method === 'Test01' ? [{ bool: true }] : call(method, parameters, how);
    await expect(certify(skipping)).rejects.toMatchObject({ errorName: 'org.varlink.certification.ClientIdError' });
    const forgetful: Caller = (method, parameters, how) =>
      call(method, method === 'Test11' ? { ...parameters, last_more_replies: [] } : parameters, how);
    await expect(certify(forgetful)).rejects.toMatchObject({ errorName: 'org.varlink.certification.ClientIdError' });
    const single: Caller = (method, parameters, how) => call(method, parameters, how === 'more' ? 'once' : how);
    await expect(certify(single)).rejects.toMatchObject({ errorName: 'org.varlink.service.ExpectedMore' });
  });
});

describe('against systemd', () => {
  it('our service certifies its client', async (context) => {
    needVarlinkctl(context);
    const path = newSocket();
    await using service = await VarlinkListener.listen(path, certifier());
    const call: Caller = (method, parameters, how) =>
      varlinkctlJson(
        'call',
        ...(how === 'once' ? [] : [`--${how}`]),
        path,
        `${CERTIFICATION.name}.${method}`,
        stringifyJson(parameters),
      );
    expect(await certify(call)).toBe(true);
    expect(service.closed).toEqual([]);
  });

  it('our service describes itself to its client', async (context) => {
    needVarlinkctl(context);
    const path = newSocket();
    await using _service = await VarlinkListener.listen(path, certifier());
    expect(await varlinkctlJson('info', path)).toMatchObject([
      { product: 'certification', interfaces: ['org.varlink.service', 'org.varlink.certification'] },
    ]);
    expect(await varlinkctl('list-methods', path, 'org.varlink.service')).toContain(
      'org.varlink.service.GetInterfaceDescription',
    );
  });
});

describe('against the Python implementation', () => {
  const MODULE = 'varlink.tests.test_certification';

  function needPython(context: TestContext): void {
    const { status } = spawnSync('python3', ['-c', `import ${MODULE}`]);
    if (status !== 0) context.skip('the module varlink of Python, with its tests, is not here');
  }

  it('our service certifies its client', async (context) => {
    needPython(context);
    const path = newSocket();
    await using _service = await VarlinkListener.listen(path, certifier());
    const run = promisify(execFile)('python3', ['-m', MODULE, '--client', `--varlink=unix:${path}`], {
      timeout: 30_000,
    });
    expect((await run).stdout).toContain('Certification passed');
  });

  it('our client is certified by its service', async (context) => {
    needPython(context);
    const path = newSocket();
    const python = spawn('python3', ['-m', MODULE, `--varlink=unix:${path}`], { stdio: 'ignore' });
    try {
      await vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 15_000 });
      await using connected = await connectVarlink(path, [CERTIFICATION]);
      expect(await certify(callerOf(connected.client))).toBe(true);
    } finally {
      python.kill('SIGKILL');
    }
  });
});
