/** Who is on duty, those first who answer the first minute of an alarm. */

import type { DutyView } from "../api/types";
import { said } from "../words/language";

const firstPosts = ["security-room", "gate-guard", "patrol-guard", "duty-leader"];

function weight(duty: DutyView): number {
  const place = firstPosts.indexOf(duty.post);
  if (place >= 0) return place;
  // An empty post is worth more room than a staffed one.
  return firstPosts.length + Number(duty.person_name !== null);
}

export function sortDuty(duty: readonly DutyView[]): DutyView[] {
  return [...duty].sort((a, b) => weight(a) - weight(b));
}

/** What a post is called, as the duty list names it; its id where that has none. */
export function postName(post: string, duty: readonly DutyView[]): string {
  return said(duty.find((each) => each.post === post)?.post_name) || post;
}
