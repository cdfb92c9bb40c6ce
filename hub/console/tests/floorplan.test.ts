import { expect, test } from "vitest";
import { firstOutline, middleOf, moveTo, signOf, stepOf, withCornerAfter, withoutCorner } from "../src/desk/floorplan/placing";

test("what is not known for sure is shown as unknown, and an alarm above everything", () => {
  expect(signOf({ state: "online" }, [], false)).toBe("online");
  expect(signOf({ state: "online" }, [], true)).toBe("unknown");
  expect(signOf(undefined, [], false)).toBe("unknown");
  expect(signOf({ state: "starting" }, [], false)).toBe("unknown");
  const alarms = [
    { device: "a", priority: "medium" },
    { device: "a", priority: "critical" },
  ];
  expect(signOf({ state: "offline" }, alarms, true)).toBe("critical");
});

test("arrow keys move, finely with Shift, and never off the plan", () => {
  expect(stepOf("ArrowLeft", false)).toEqual([-0.01, 0]);
  expect(stepOf("ArrowDown", true)).toEqual([0, 0.001]);
  expect(stepOf("a", false)).toBeNull();
  expect(moveTo(-0.2, 1.2)).toEqual([0, 1]);
});

test("an outline gains corners halfway and keeps three", () => {
  const four = firstOutline();
  expect(withCornerAfter(four, 3)[4]).toEqual([0.4, 0.5]);
  const three = withoutCorner(four, 0);
  expect(withoutCorner(three, 0)).toHaveLength(3);
  expect(middleOf(four)).toEqual([0.5, 0.5]);
  expect(middleOf(undefined)).toEqual([0.5, 0.5]);
});
