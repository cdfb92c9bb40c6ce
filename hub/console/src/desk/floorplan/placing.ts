/** Places on a plan, 0..1 from the upper left, and what a device there is shown as. Pure. */

export type Corner = [number, number];

export interface Spot {
  device: string;
  /** null: the device as a whole. */
  address: string | null;
  x: number;
  y: number;
}

/** What of a device the sign needs. */
export interface Seen {
  state: string;
}
export interface Alarmed {
  device: string | null;
  priority: string;
}

const ranks = ["critical", "high", "medium", "low"];
export const mostCorners = 60;
const within = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 1e5) / 1e5;

export const moveTo = (x: number, y: number): Corner => [within(x), within(y)];

/** The step of an arrow key, with Shift a fine one; null: it is no arrow. */
export function stepOf(key: string, fine: boolean): Corner | null {
  const step = fine ? 0.001 : 0.01;
  const steps: Record<string, Corner> = {
    ArrowLeft: [-step, 0],
    ArrowRight: [step, 0],
    ArrowUp: [0, -step],
    ArrowDown: [0, step],
  };
  return steps[key] ?? null;
}

/** The worst open alarm of a device; without one its state, which is unknown wherever it is not known for sure. */
export function signOf(device: Seen | undefined, alarms: readonly Alarmed[], blind: boolean): string {
  const worst = alarms.map((alarm) => ranks.indexOf(alarm.priority)).filter((rank) => rank >= 0);
  if (worst.length > 0) return ranks[Math.min(...worst)]!;
  if (blind || device === undefined) return "unknown";
  return device.state === "online" || device.state === "offline" ? device.state : "unknown";
}

/** Where a new sign is put: in the middle of its zone's outline, else of the plan. */
export function middleOf(corners: readonly Corner[] | undefined): Corner {
  if (!corners || corners.length === 0) return [0.5, 0.5];
  const sum = (axis: 0 | 1) => corners.reduce((total, corner) => total + corner[axis], 0) / corners.length;
  return moveTo(sum(0), sum(1));
}

/** A first outline to be pulled into shape. */
export const firstOutline = (): Corner[] => [
  [0.4, 0.4],
  [0.6, 0.4],
  [0.6, 0.6],
  [0.4, 0.6],
];

/** One corner more, halfway from corner `n` to the next. */
export function withCornerAfter(corners: readonly Corner[], n: number): Corner[] {
  if (corners.length >= mostCorners) return [...corners];
  const next = corners[(n + 1) % corners.length]!;
  const here = corners[n]!;
  const between = moveTo((here[0] + next[0]) / 2, (here[1] + next[1]) / 2);
  return [...corners.slice(0, n + 1), between, ...corners.slice(n + 1)];
}

/** One corner less; an outline keeps three. */
export const withoutCorner = (corners: readonly Corner[], n: number): Corner[] =>
  corners.length > 3 ? corners.filter((_, index) => index !== n) : [...corners];
