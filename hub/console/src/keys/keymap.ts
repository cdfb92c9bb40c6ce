/** Which key means what, where. Pure: takes what was pressed and where one is, gives an order or nothing. */

export type Order =
  | { order: "move"; by: 1 | -1 }
  | { order: "pick"; row: number }
  | { order: "acknowledge" | "verify" | "silence" | "open" | "incident" | "back" | "help" }
  | { order: "chooseResult"; by: 1 | -1 }
  | { order: "chooseCause"; row: number }
  | { order: "submitVerify" };

export interface Pressed {
  key: string;
  repeat: boolean;
  ctrl: boolean;
  alt: boolean;
  meta: boolean;
}

export interface Place {
  /** The wall with its list; the page of one alarm; any other. */
  screen: "wall" | "alarm" | "other";
  /** The caret stands in a text field. */
  typing: boolean;
  /** Enter would press a button or link that has the focus. */
  onControl: boolean;
  dialog: "none" | "verify" | "reset" | "help";
  /** An unacknowledged critical alarm other than the one a dialog is about. */
  criticalWaits: boolean;
}

const letters: Record<string, Order["order"]> = { v: "verify" };

/** A critical alarm takes the keys back from a dialog; only Esc still reaches it. */
export function dialogHasKeys(place: Place): boolean {
  return place.dialog !== "none" && !place.criticalWaits;
}

function inVerify(pressed: Pressed, place: Place): Order | null {
  switch (pressed.key) {
    case "ArrowLeft":
      return { order: "chooseResult", by: -1 };
    case "ArrowRight":
      return { order: "chooseResult", by: 1 };
    case "Enter":
      return place.onControl || pressed.repeat ? null : { order: "submitVerify" };
    default:
      return /^[1-9]$/.test(pressed.key) ? { order: "chooseCause", row: Number(pressed.key) - 1 } : null;
  }
}

/** What acts on one alarm, on the wall and on the alarm's own page. */
function onAlarm(pressed: Pressed): Order | null {
  if (pressed.repeat) return null;
  // The bar stays "acknowledge" even when a button kept the focus after a click.
  if (pressed.key === " ") return { order: "acknowledge" };
  const letter = letters[pressed.key.toLowerCase()];
  return letter ? ({ order: letter } as Order) : null;
}

function onList(pressed: Pressed, place: Place): Order | null {
  const { key } = pressed;
  if (key === "ArrowDown") return { order: "move", by: 1 };
  if (key === "ArrowUp") return { order: "move", by: -1 };
  if (pressed.repeat) return null;
  if (/^[1-9]$/.test(key)) return { order: "pick", row: Number(key) - 1 };
  if (key === "Enter") return place.onControl ? null : { order: "open" };
  return onAlarm(pressed);
}

export function orderOf(pressed: Pressed, place: Place): Order | null {
  if (pressed.ctrl || pressed.alt || pressed.meta) return null;
  const letter = pressed.repeat ? "" : pressed.key.toLowerCase();
  if (letter === "escape") return { order: "back" };
  if (place.typing) return null;
  if (letter === "?") return { order: "help" };
  if (letter === "q") return { order: "silence" };
  if (letter === "i") return { order: "incident" };
  if (place.screen === "other") return null;
  if (dialogHasKeys(place)) {
    const order = place.dialog === "verify" ? inVerify(pressed, place) : null;
    // Space still acknowledges the alarm: no dialog may hold that back.
    return order ?? (pressed.key === " " ? onAlarm(pressed) : null);
  }
  return place.screen === "alarm" ? onAlarm(pressed) : onList(pressed, place);
}
