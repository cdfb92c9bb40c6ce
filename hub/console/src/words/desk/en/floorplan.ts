/** Floor plans. */

import type { floorplan as zh } from "../zh/floorplan";

export const floorplan: Record<keyof typeof zh, string> = {
  "plan.which": "The floor plan of which zone",
  "plan.missing": "no plan",
  "plan.none": "There is no floor plan here yet",
  "plan.edit": "Edit",
  "plan.save": "Save",
  "plan.cancel": "Discard changes",
  "plan.file": "Upload a plan of {zone} (PNG, JPEG, SVG, PDF, up to 10 MB)",
  "plan.page": "Page of the PDF",
  "plan.busy": "Working …",
  "plan.corner": "Corner {n}",
  "plan.keys": "Drag, or reach it by Tab and move it by the arrow keys (Shift: finely), Delete takes it off; Enter on a corner adds one",
  "plan.outlines": "Outlines of zones",
  "plan.noOutline": "not drawn",
  "plan.takeOff": "Take off",
  "plan.unplaced": "Devices not placed: {n}",
};
