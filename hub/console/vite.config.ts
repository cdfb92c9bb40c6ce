import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running hub. */
const hub = process.env["SANFANG_HUB"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [vue()],
  base: "/",
  build: {
    outDir: "dist",
    // The console runs under a policy without 'unsafe-inline' and without data: scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { host: "127.0.0.1", proxy: { "/api": hub } },
  test: { environment: "happy-dom", include: ["tests/**/*.test.ts"] },
});
