/** The bursts: each priority has its own rhythm (number and spacing of pulses), pitch only helps. */

import type { Priority } from "../api/types";

/** `lost` says that this screen no longer knows; it is none of the alarms' rhythms. */
export type PatternName = Priority | "lost";

export interface Pulse {
  /** Seconds after the burst begins. */
  at: number;
  length: number;
  hz: number;
}

export interface Pattern {
  pulses: readonly Pulse[];
  /** Seconds from the beginning of one burst to the next. */
  period: number;
  /** 0..1; never 0: there is a floor. */
  gain: number;
}

const pulse = (at: number, length: number, hz: number): Pulse => ({ at, length, hz });
const five = (start: number, hz: number): Pulse[] =>
  [0, 0.17, 0.34, 0.64, 0.81].map((at) => pulse(start + at, 0.12, hz));

export const patterns: Record<PatternName, Pattern> = {
  // Ten quick pulses, 3-2 3-2, hardly a pause.
  critical: { pulses: [...five(0, 880), ...five(1.2, 880)], period: 2.8, gain: 0.9 },
  // Three even pulses.
  high: { pulses: [0, 0.32, 0.64].map((at) => pulse(at, 0.2, 660)), period: 4, gain: 0.75 },
  // Two slow pulses.
  medium: { pulses: [0, 0.5].map((at) => pulse(at, 0.26, 520)), period: 8, gain: 0.6 },
  // One long, soft pulse.
  low: { pulses: [pulse(0, 0.5, 392)], period: 20, gain: 0.45 },
  // One falling step.
  lost: { pulses: [pulse(0, 0.35, 440), pulse(0.35, 0.6, 311)], period: 10, gain: 0.7 },
};

/** The rhythm alone: gaps between the starts of the pulses, and their lengths. Two patterns must differ in it. */
export function rhythmOf(pattern: Pattern): string {
  return pattern.pulses.map((each) => `${each.at.toFixed(2)}+${each.length.toFixed(2)}`).join(" ");
}
