/** Which alarm is selected, in which order the rows stand, and when a key may act on the selection. */

import { computed, ref, watch } from "vue";
import { holdOrder, successorOf } from "../alarm/order";
import { sortedAlarms, state } from "./site";

/** After the selection moved by itself, Space waits this long: nobody acknowledges what they have not read. */
const unreadMs = 800;
/** A pointer that rests this long no longer holds the order. */
const holdMs = 5000;

export const selected = ref<number | null>(null);
export const shownOrder = ref<number[]>([]);
/** The newest alarm that came while the order was held; announced, never jumped to. */
export const announced = ref<number | null>(null);
const held = ref(false);
let movedByItselfAt = -Infinity;
let holdTimer: ReturnType<typeof setTimeout> | undefined;

export const selectedAlarm = computed(() => (selected.value === null ? null : (state.alarms.get(selected.value) ?? null)));
export const shownAlarms = computed(() =>
  shownOrder.value.map((id) => state.alarms.get(id)).filter((alarm) => alarm !== undefined),
);
export const orderHeld = computed(() => held.value);

export function select(alarm: number): void {
  selected.value = alarm;
  movedByItselfAt = -Infinity;
}

export function selectRow(row: number): void {
  const id = shownOrder.value[row];
  if (id !== undefined) select(id);
}

export function moveSelection(by: 1 | -1): void {
  const rows = shownOrder.value;
  if (rows.length === 0) return;
  const place = selected.value === null ? -1 : rows.indexOf(selected.value);
  selectRow(Math.min(rows.length - 1, Math.max(0, place + by)));
}

/** May a key act on the selected alarm, or did the selection only just move there by itself? */
export function selectionWasRead(): boolean {
  return performance.now() - movedByItselfAt > unreadMs;
}

/** The pointer moves over the list: hold the rows still under it. */
export function holdRows(): void {
  held.value = true;
  clearTimeout(holdTimer);
  holdTimer = setTimeout(releaseRows, holdMs);
}

export function releaseRows(): void {
  clearTimeout(holdTimer);
  held.value = false;
}

function selectByItself(alarm: number | null): void {
  selected.value = alarm;
  movedByItselfAt = performance.now();
}

const sortedIds = computed(() => sortedAlarms.value.map((alarm) => alarm.alarm));

function follow(sorted: number[]): void {
  const before = shownOrder.value;
  const after = holdOrder(before, sorted, held.value);
  if (held.value) announced.value = after.find((id) => !before.includes(id)) ?? announced.value;
  else announced.value = null;
  if (after.length === before.length && after.every((id, place) => id === before[place])) return;
  shownOrder.value = after;
  if (selected.value === null || !state.alarms.has(selected.value)) {
    const next = selected.value === null ? (after[0] ?? null) : successorOf(selected.value, before, after);
    if (next !== selected.value) selectByItself(next);
  }
}

watch([sortedIds, held], () => follow(sortedIds.value), { immediate: true, flush: "sync" });
