/** The screen's one clock. It ticks each second and follows the hub's time, not this machine's. */

import { computed, ref } from "vue";

/** This machine's clock less the hub's, in ms; the newest beats decide. */
const ahead = ref(0);
const samples: number[] = [];

export const wallNow = ref(Date.now());
export const monotonicNow = ref(performance.now());

export function tick(): void {
  wallNow.value = Date.now();
  monotonicNow.value = performance.now();
}

/** Takes a beat's time. A beat can only arrive late, so the smallest of the last differences is the truest. */
export function followHub(beatAt: number): void {
  samples.push(Date.now() - beatAt);
  if (samples.length > 10) samples.shift();
  ahead.value = Math.min(...samples);
}

export const clockAheadMs = computed(() => ahead.value);
export const hubNow = computed(() => wallNow.value - ahead.value);

/** Ticks on the hub's full seconds, so that the shown clock never skips one. */
export function startClock(): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const run = () => {
    tick();
    timer = setTimeout(run, 1000 - (((Date.now() - ahead.value) % 1000) + 1000) % 1000 + 5);
  };
  run();
  return () => clearTimeout(timer);
}
