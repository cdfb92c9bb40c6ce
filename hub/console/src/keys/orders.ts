/** Carries out what the keys mean. Buttons call the same functions. */

import type { Router } from "vue-router";
import type { AlarmView } from "../api/types";
import { acknowledge, silence, verify } from "../store/acts";
import {
  chooseCause,
  cause,
  closeDialog,
  criticalWaits,
  dialog,
  openHelp,
  openVerify,
  result,
  stepResult,
  verifyLacks,
} from "../store/dialog";
import { moveSelection, selectedAlarm, selectionWasRead, selectRow } from "../store/selection";
import { state } from "../store/site";
import { orderOf, type Order, type Place } from "./keymap";

export async function submitVerify(): Promise<void> {
  const open = dialog.value;
  const alarm = selectedAlarm.value;
  if (open.kind !== "verify" || alarm?.alarm !== open.alarm || verifyLacks.value !== null || !result.value) return;
  if (await verify(alarm, result.value, cause.value)) closeDialog();
}

function goBack(router: Router): void {
  if (dialog.value.kind !== "none") closeDialog();
  else void router.push("/");
}

function openIncident(router: Router): void {
  const incident = selectedAlarm.value?.incident;
  void router.push(incident ? `/incidents/${incident}` : "/incidents");
}

function screenOf(router: Router): Place["screen"] {
  const { path, params } = router.currentRoute.value;
  if (path === "/") return "wall";
  return "alarm" in params ? "alarm" : "other";
}

/** The alarm that keys act on: the one in sight, or none. */
function alarmInSight(router: Router): AlarmView | null {
  if (screenOf(router) === "alarm") return state.alarms.get(Number(router.currentRoute.value.params["alarm"])) ?? null;
  return selectionWasRead() ? selectedAlarm.value : null;
}

function run(order: Order, router: Router): void {
  const alarm = alarmInSight(router);
  switch (order.order) {
    case "move":
      return moveSelection(order.by);
    case "pick":
      return selectRow(order.row);
    case "acknowledge":
      if (alarm) void acknowledge(alarm);
      return;
    case "verify":
      if (alarm) openVerify(alarm.alarm);
      return;
    case "silence":
      return void silence();
    case "open":
      if (alarm) void router.push(`/alarms/${alarm.alarm}`);
      return;
    case "incident":
      return openIncident(router);
    case "back":
      return goBack(router);
    case "help":
      return dialog.value.kind === "help" ? closeDialog() : openHelp();
    case "chooseResult":
      return stepResult(order.by);
    case "chooseCause":
      return chooseCause(order.row);
    case "submitVerify":
      return void submitVerify();
  }
}

function placeOf(target: EventTarget | null, router: Router): Place {
  const element = target instanceof HTMLElement ? target : null;
  return {
    screen: screenOf(router),
    typing: element !== null && (element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName)),
    onControl: element !== null && ["BUTTON", "A"].includes(element.tagName),
    dialog: dialog.value.kind,
    criticalWaits: criticalWaits.value,
  };
}

/** Listens for the keys of the whole page; returns how to stop. */
export function listenToKeys(router: Router): () => void {
  let swallowed = "";
  const down = (event: KeyboardEvent) => {
    const pressed = { key: event.key, repeat: event.repeat, ctrl: event.ctrlKey, alt: event.altKey, meta: event.metaKey };
    const place = placeOf(event.target, router);
    const order = orderOf(pressed, place);
    // A held bar neither acknowledges again nor presses the button that has the focus.
    const heldBar = event.key === " " && event.repeat && place.screen !== "other" && !place.typing;
    if (order === null && !heldBar) return;
    event.preventDefault();
    swallowed = event.key;
    if (order) run(order, router);
  };
  const up = (event: KeyboardEvent) => {
    // A button is clicked when the bar goes up; if we took the press, we take the release too.
    if (event.key === swallowed) event.preventDefault();
    swallowed = "";
  };
  window.addEventListener("keydown", down);
  window.addEventListener("keyup", up);
  return () => {
    window.removeEventListener("keydown", down);
    window.removeEventListener("keyup", up);
  };
}
