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
  screen: "wall" | "other";
  /** The caret stands in a text field. */
  typing: boolean;
  /** Enter would press a button or link that has the focus. */
  onControl: boolean;
  dialog: "none" | "verify" | "reset" | "help";
  /** An unacknowledged critical alarm other than the one a dialog is about. */
  criticalWaits: boolean;
}

const letters: Record<string, Order["order"]> = { v: "verify", q: "silence", i: "incident" };

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

function onList(pressed: Pressed, place: Place): Order | null {
  const { key } = pressed;
  if (key === "ArrowDown") return { order: "move", by: 1 };
  if (key === "ArrowUp") return { order: "move", by: -1 };
  if (pressed.repeat) return null;
  if (/^[1-9]$/.test(key)) return { order: "pick", row: Number(key) - 1 };
  // The bar stays "acknowledge" even when a button kept the focus after a click.
  if (key === " ") return { order: "acknowledge" };
  if (key === "Enter") return place.onControl ? null : { order: "open" };
  const letter = letters[key.toLowerCase()];
  return letter ? ({ order: letter } as Order) : null;
}

export function orderOf(pressed: Pressed, place: Place): Order | null {
  if (pressed.ctrl || pressed.alt || pressed.meta) return null;
  if (pressed.key === "Escape") return pressed.repeat ? null : { order: "back" };
  if (place.typing) return null;
  if (pressed.key === "?") return { order: "help" };
  if (pressed.key.toLowerCase() === "q" && !pressed.repeat) return { order: "silence" };
  if (place.screen === "other") {
    return pressed.key.toLowerCase() === "i" && !pressed.repeat ? { order: "incident" } : null;
  }
  if (dialogHasKeys(place)) {
    if (place.dialog === "verify") {
      const order = inVerify(pressed, place);
      if (order) return order;
    }
    // Space still acknowledges the selected alarm: no dialog may hold that back.
    return pressed.key === " " && !pressed.repeat ? { order: "acknowledge" } : null;
  }
  return onList(pressed, place);
}
