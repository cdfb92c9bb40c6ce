/** Zones as a tree, with the devices of each and of all below it. */

import { isAbnormal } from "../alarm/neighbour";
import type { AlarmView, DeviceView, Priority, ZoneView } from "../api/types";
import { moreUrgent } from "../alarm/order";

export interface Branch {
  zone: ZoneView;
  depth: number;
  /** Of this zone alone. */
  own: DeviceView[];
  /** Of this zone and all below it, abnormal ones first. */
  all: DeviceView[];
  online: number;
  abnormal: number;
  /** The most urgent open alarm in it. */
  priority: Priority | null;
  children: Branch[];
}

function groupBy<Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function weight(device: DeviceView): number {
  if (device.state === "offline") return 0;
  if (device.state === "unknown") return 1;
  return isAbnormal(device) ? 2 : 3;
}

export function treeOf(
  zones: readonly ZoneView[],
  devices: Iterable<DeviceView>,
  alarms: Iterable<AlarmView>,
): Branch[] {
  const devicesOf = groupBy(devices, (device) => device.zone);
  const alarmsOf = groupBy(alarms, (alarm) => alarm.zone ?? "");
  const childrenOf = groupBy(zones, (zone) => zone.parent ?? "");
  const grow = (zone: ZoneView, depth: number): Branch => {
    const children = (childrenOf.get(zone.zone) ?? []).map((child) => grow(child, depth + 1));
    const own = devicesOf.get(zone.zone) ?? [];
    const all = [...own, ...children.flatMap((child) => child.all)].sort((a, b) => weight(a) - weight(b));
    let priority: Priority | null = null;
    for (const alarm of alarmsOf.get(zone.zone) ?? []) priority = moreUrgent(priority, alarm.priority);
    for (const child of children) if (child.priority) priority = moreUrgent(priority, child.priority);
    return {
      zone,
      depth,
      own,
      all,
      online: all.filter((device) => device.state === "online").length,
      abnormal: all.filter(isAbnormal).length,
      priority,
      children,
    };
  };
  const known = new Set(zones.map((zone) => zone.zone));
  return zones.filter((zone) => zone.parent === null || !known.has(zone.parent)).map((zone) => grow(zone, 0));
}

/** Root, its children, their children …, in reading order. */
export function flatten(branches: readonly Branch[]): Branch[] {
  return branches.flatMap((branch) => [branch, ...flatten(branch.children)]);
}

/** A branch without what lies below it: the devices that stand in the open, beside all buildings. */
function trunkOf(branch: Branch): Branch {
  const online = branch.own.filter((device) => device.state === "online").length;
  const abnormal = branch.own.filter(isAbnormal).length;
  return { ...branch, all: branch.own, online, abnormal, priority: null, children: [] };
}

/** The lines of the wall: the buildings, one step below a single campus-wide root. */
export function buildingsOf(branches: Branch[]): Branch[] {
  const only = branches.length === 1 ? branches[0] : undefined;
  if (!only || only.children.length < 2) return branches;
  return only.own.length > 0 ? [trunkOf(only), ...only.children] : only.children;
}
