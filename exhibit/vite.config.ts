import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { defineConfig, type Plugin } from "vite";

/** By the name that the page asks for: the plain runtime, and the one that also reaches a graphics processor by WebGPU. */
const RUNTIMES = { runtime: "ort-wasm-simd-threaded.wasm", "runtime-webgpu": "ort-wasm-simd-threaded.asyncify.wasm" };

/**
 * onnxruntime-web's WebAssembly, compressed: 14 MB become 4 and 27 become 7, in the folder and in a page that holds everything. The page
 * unpacks it, so that no server has to be set up for it, and the name is fixed, because the page asks for it by name.
 */
function packedRuntime(): Plugin {
  return {
    name: "packed-runtime",
    generateBundle(_, bundle) {
      for (const name of Object.keys(bundle)) if (name.endsWith(".wasm")) delete bundle[name]; // the same, not compressed
      for (const [name, file] of Object.entries(RUNTIMES)) {
        const wasm = readFileSync(`node_modules/onnxruntime-web/dist/${file}`);
        this.emitFile({ type: "asset", fileName: `assets/${name}.wasm.gz`, source: gzipSync(wasm) });
      }
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [packedRuntime()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    // One script: in the single file there is nowhere to load a second one from.
    rolldownOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: "assets/exhibit.js",
        assetFileNames: "assets/exhibit[extname]",
      },
    },
  },
});
