import { expect, it } from 'vitest';
import { openSources } from './open.ts';

it('opens a source for each URI, once, and all captures as one', async () => {
  const uris = ['qmp+unix:/a', 'local:', 'qmp+unix:/b', 'kvm+file:/c', 'qmp+unix:/a', 'LOCAL:', 'kvm+file:/d'];
  const sources = await openSources(uris);
  expect(sources.map(({ uri }) => uri)).toStrictEqual([
    'qmp+unix:/a',
    'qmp+unix:/b',
    'local:',
    'kvm+file:/c kvm+file:/d',
  ]);
});

it.each([
  ['no colon', 'URI_INVALID'],
  ['/run/vm.qmp', 'URI_INVALID'],
  ['local:/run/vm.qmp', 'URI_INVALID'],
  ['qmp+unix:', 'URI_INVALID'],
  ['constructor:', 'URI_UNSUPPORTED'],
  ['http://host/', 'URI_UNSUPPORTED'],
  ['qemu:///nowhere', 'URI_INVALID'],
  ['qemu+libssh://host/system', 'URI_UNSUPPORTED'],
  ['replay:', 'URI_INVALID'],
])('refuses %s', async (uri, code) => {
  await expect(openSources([uri])).rejects.toMatchObject({ code });
});
