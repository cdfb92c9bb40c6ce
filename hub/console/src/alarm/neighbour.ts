/** What else is abnormal near an alarm: the order in which alarms came in the same building, devices of the same place. */

import type { AlarmView, DeviceView } from "../api/types";

/** Alarms of the same building (the outermost zone), first one first. */
export function spreadOf(alarm: AlarmView, open: readonly AlarmView[]): AlarmView[] {
  const building = alarm.zone_path[0]?.zh;
  if (building === undefined) return [alarm];
  return open
    .filter((other) => other.zone_path[0]?.zh === building)
    .sort((a, b) => Date.parse(a.observed_at) - Date.parse(b.observed_at) || a.alarm - b.alarm);
}

export function isAbnormal(device: DeviceView): boolean {
  return device.state !== "online" || device.conditions.some((condition) => condition.active !== false);
}

/** Devices of the same zone that are abnormal or silent, other than the alarm's own. */
export function troubledBeside(alarm: AlarmView, devices: Iterable<DeviceView>): DeviceView[] {
  return [...devices].filter(
    (device) => device.zone === alarm.zone && device.device !== alarm.device && isAbnormal(device),
  );
}
