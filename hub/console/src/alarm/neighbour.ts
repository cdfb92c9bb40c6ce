/** What else is abnormal near an alarm: the order in which alarms came in the same building, devices of the same place. */

import type { AlarmView, DeviceView } from "../api/types";

/** `fire.alarm` → `fire`: only alarms of one family tell an origin and a spread. */
function familyOf(alarm: AlarmView): string {
  return alarm.kind.split(".")[0] ?? alarm.kind;
}

/** What belongs together with this alarm, first one first: its incident's alarms, and its family in the same building. */
export function spreadOf(alarm: AlarmView, open: readonly AlarmView[]): AlarmView[] {
  const building = alarm.zone_path[0]?.zh;
  const together = (other: AlarmView) =>
    (alarm.incident !== null && other.incident === alarm.incident) ||
    (familyOf(other) === familyOf(alarm) && other.zone_path[0]?.zh === building);
  return open
    .filter((other) => other.alarm === alarm.alarm || together(other))
    .sort((a, b) => Date.parse(a.observed_at) - Date.parse(b.observed_at) || a.alarm - b.alarm);
}

/** Conditions of an ordinary day: recorded, nothing to look at. */
const ordinary = new Set([
  "door.opened",
  "door.locked",
  "door.unlocked",
  "area.armed",
  "barrier.raised",
  "barrier.lowered",
  "camera.motion",
]);

export function isOrdinary(condition: { kind: string }): boolean {
  return ordinary.has(condition.kind);
}

export function isAbnormal(device: DeviceView): boolean {
  return device.state !== "online" || device.conditions.some((condition) => !isOrdinary(condition));
}

/** Devices of the same zone that are abnormal or silent, other than the alarm's own. */
export function troubledBeside(alarm: AlarmView, devices: Iterable<DeviceView>): DeviceView[] {
  return [...devices].filter(
    (device) => device.zone === alarm.zone && device.device !== alarm.device && isAbnormal(device),
  );
}
