/** What the desk pages share: their names, ages, forms and tables. */

import type { frame as words } from "../zh/frame";

export const frame: Record<keyof typeof words, string> = {
  "page.readAt": "read {at} ({old} ago)",
  "page.again": "Read again",
  "page.failed": "Could not be read; what is here is not known: {reason}",
  "page.failedOld": "Could not be read: {reason}. Below is what it was at {at}",

  "form.optional": "optional",
  "form.save": "Save",
  "form.cancel": "Cancel",
  "form.close": "Close",
  "form.reason": "Reason (required)",
  "form.missing": "is missing",
  "form.choose": "choose one",
  "form.tooLong": "{n} characters at most",
  "form.badNumber": "a number from {low} to {high}",
  "form.badOrder": "the end must be later than the beginning",
  "table.shown": "{n} of {total} rows",
  "table.more": "Show more",
  "table.export": "Export CSV",
  "filter.search": "Search",
};
