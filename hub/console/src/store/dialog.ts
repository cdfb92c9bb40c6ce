/** What is open beside the list: the verify panel, the reset question, the help. None of them may hold back a critical alarm. */

import { computed, ref, watch } from "vue";
import { causes, results, type Result } from "../alarm/act";
import { awaitsAcknowledgement } from "../alarm/order";
import { selected } from "./selection";
import { sortedAlarms } from "./site";

export type Dialog = { kind: "none" } | { kind: "help" } | { kind: "verify" | "reset"; alarm: number };

export const dialog = ref<Dialog>({ kind: "none" });
/** Nothing is chosen beforehand: a hasty Enter must not write "real" into the journal. */
export const result = ref<Result | null>(null);
export const cause = ref("");

const concerned = computed(() => ("alarm" in dialog.value ? dialog.value.alarm : null));

/** An unacknowledged critical alarm that the open dialog is not about. */
export const criticalWaits = computed(() =>
  sortedAlarms.value.some(
    (alarm) => alarm.priority === "critical" && awaitsAcknowledgement(alarm) && alarm.alarm !== concerned.value,
  ),
);

export function closeDialog(): void {
  dialog.value = { kind: "none" };
}

export function openHelp(): void {
  dialog.value = { kind: "help" };
}

export function openVerify(alarm: number): void {
  result.value = null;
  cause.value = "";
  dialog.value = { kind: "verify", alarm };
}

export function openReset(alarm: number): void {
  dialog.value = { kind: "reset", alarm };
}

export function chooseResult(chosen: Result): void {
  result.value = chosen;
  cause.value = "";
}

export function stepResult(by: 1 | -1): void {
  const place = result.value === null ? (by === 1 ? -1 : 0) : results.indexOf(result.value);
  const next = results[(place + by + results.length) % results.length];
  if (next) chooseResult(next);
}

export function chooseCause(row: number): void {
  if (result.value !== null) cause.value = causes[result.value][row] ?? cause.value;
}

/** What keeps the verification from being sent; a false alarm without a cause teaches nobody anything. */
export const verifyLacks = computed<"result" | "cause" | null>(() => {
  if (result.value === null) return "result";
  return result.value === "false" && cause.value === "" ? "cause" : null;
});

// A dialog belongs to the selected alarm; with the selection gone elsewhere it would hold the keys unseen.
watch(
  () => concerned.value !== null && concerned.value !== selected.value,
  (elsewhere) => elsewhere && closeDialog(),
);
watch(criticalWaits, (waits) => waits && dialog.value.kind === "help" && closeDialog());
