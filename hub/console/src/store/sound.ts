/** Sound at this station: armed or not, what it plays, what was silenced here. */

import { computed, ref, shallowRef, watch } from "vue";
import type { SoundReport } from "../api/types";
import { Horn } from "../sound/horn";
import { decideSound, soundStateOf, type Armament } from "../sound/policy";
import { hubNow } from "./clock";
import { faults, sortedAlarms, state } from "./site";

export const armament = ref<Armament>("off");
const silences = shallowRef<ReadonlyMap<string, string>>(new Map());
const horn = new Horn((now) => (armament.value = now));

/** A stream that dropped and came back is no new blindness, so its key is the kind alone while it lasts. */
const blindness = computed(() => {
  const blind = faults.value.find((fault) => fault.reach === "blind" && fault.kind !== "never");
  return blind ? `${blind.kind}` : null;
});

export const sounding = computed(() =>
  decideSound({
    alarms: sortedAlarms.value,
    unreceipted: state.unreceipted,
    blindness: blindness.value,
    silences: silences.value,
    now: hubNow.value,
  }),
);
export const soundState = computed(() => soundStateOf(armament.value, sounding.value));
export const soundReport = computed<SoundReport>(() => {
  if (armament.value === "armed") return soundState.value === "silenced" ? "muted" : "armed";
  return armament.value === "blocked" ? "blocked" : "muted";
});

/** Inside a press. Plays one soft burst, so that the person hears that it works. */
export async function armSound(): Promise<void> {
  await horn.arm();
  horn.test();
}

export function testSound(): void {
  horn.test();
}

export function disarmSound(): void {
  horn.disarm();
  silences.value = new Map();
}

/** Silences what sounds now at this station. Any new raise, escalation or other device sounds again. */
export function silenceStation(): string[] {
  const quiet = [...sounding.value.audible.keys()];
  silences.value = new Map([...silences.value, ...sounding.value.audible]);
  return quiet;
}

watch(
  () => [sounding.value.pattern, armament.value] as const,
  ([pattern, armed]) => horn.play(armed === "armed" ? pattern : null),
);

// Once the blindness ends its silence ends too: the next one must be heard.
watch(blindness, (now) => {
  if (now !== null || !silences.value.has("lost")) return;
  const kept = new Map(silences.value);
  kept.delete("lost");
  silences.value = kept;
});
