import { expect, it } from '@jest/globals';
import { fileIssues, parseManifest } from './manifest.ts';

it('takes a manifest that was written for the system before as it is', () => {
  const manifest = parseManifest(
    JSON.stringify({
      name: 'com.example.agreements',
      publisher: 'Nine Winds',
      version: '1.2.*',
      runtime: 'wasm-js@1',
      capabilities: ['cap:context.read', 'cap:log.emit', 'cap:ui.proxy', 'http.fetch'],
      entry: 'dist/main.wasm',
      api: { endpoints: [{ method: 'GET', path: '/agreements', handler: 'dist/main' }] },
      ui: {
        type: 'iframe',
        entry: 'ui/index.html',
        hooks: { appMenu: { label: 'Agreements' } },
        routes: [{ path: '/agreements', iframePath: 'ui/agreements.html' }],
      },
      precompiled: { 'x86_64-linux-gnu': 'artifacts/cwasm/x86_64-linux-gnu/main.cwasm' },
      assets: ['ui/**/*'],
      sbom: 'sbom.spdx.json',
    }),
  );
  const files = ['manifest.json', 'dist/main.wasm', 'ui/index.html', 'ui/agreements.html', 'sbom.spdx.json'];
  expect(fileIssues(manifest, files)).toEqual([]);
  const moved = files.map((file) => file.replace('dist/main.wasm', 'entry.wasm'));
  expect(fileIssues(manifest, moved)).toMatchObject([{ path: 'entry', code: 'file_missing' }]);
});
