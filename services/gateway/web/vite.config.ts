import { fileURLToPath, URL } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import type { PluginOption } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Writes each text asset also as .br and .gz, for a server that sends them as they are. */
function precompress(): PluginOption {
  return {
    name: 'lucid-precompress',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        for (const [fileName, file] of Object.entries(bundle)) {
          const source = Buffer.from(file.type === 'chunk' ? file.code : file.source);
          if (source.length < 1024) continue;
          this.emitFile({ type: 'asset', fileName: `${fileName}.br`, source: brotliCompressSync(source) });
          this.emitFile({ type: 'asset', fileName: `${fileName}.gz`, source: gzipSync(source, { level: 9 }) });
        }
      },
    },
  };
}

/** The scripted backend behind `npm run mock`: the page without any service. */
async function mockBackend(mode: string): Promise<PluginOption[]> {
  if (mode !== 'mock') return [];
  const { mock } = await import('./mock/plugin.ts');
  return [mock()];
}

export default defineConfig(async ({ mode }) => ({
  plugins: [react(), precompress(), ...(await mockBackend(mode))],
  resolve: {
    alias: { '@gen': here('../../../gen/ts'), '@': here('./src') },
    // gen/ lies outside this folder and finds no node_modules of its own.
    dedupe: ['@bufbuild/protobuf'],
  },
  server: {
    fs: { allow: [here('.'), here('../../../gen/ts')] },
    proxy:
      mode === 'mock'
        ? {}
        : {
            '^/(api|lucid\\.)': { target: 'http://127.0.0.1:8000', ws: true },
          },
  },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // A data: address would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    testTimeout: 20_000,
  },
}));
