/** The week as it is drawn: per post and day who stands from when to when, and where nobody does. Pure. */

import { localText, momentOf } from "../../format/zoned";
import type { Block, PostWeek, Standing } from "./acts";

export interface Stretch {
  /** `07:00`; the end of the day is `24:00`. */
  from: string;
  to: string;
  /** Nobody: a gap. */
  standings: Standing[];
  /** Now lies in it. */
  current: boolean;
}

const clock = (at: number, zone: string) => localText(at, zone).slice(11, 16);

/** The day after (or `by` days after) `2026-03-01`. */
export function dayAfter(day: string, by = 1): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + by * 86_400_000).toISOString().slice(0, 10);
}

/** What of the blocks lies in one day of the site's clock. */
export function stretchesOf(blocks: readonly Block[], day: string, zone: string, now: number): Stretch[] {
  const begin = momentOf(`${day}T00:00`, zone);
  const end = momentOf(`${dayAfter(day)}T00:00`, zone);
  if (begin === null || end === null) return [];
  return blocks.flatMap((block) => {
    const from = Math.max(begin, Date.parse(block.begins));
    const to = Math.min(end, Date.parse(block.ends));
    if (from >= to) return [];
    const stretch = { from: clock(from, zone), to: to === end ? "24:00" : clock(to, zone) };
    return [{ ...stretch, standings: block.standings, current: from <= now && now < to }];
  });
}

/** Posts that somebody will send for first, those with gaps before the others of their sort; else in their order. */
export function sortPosts(posts: readonly PostWeek[], now: number): PostWeek[] {
  const gap = (post: PostWeek) => post.blocks.some((block) => block.standings.length === 0 && Date.parse(block.ends) > now);
  const weight = (post: PostWeek) => (gap(post) ? (post.needed_by.length > 0 ? 0 : 1) : 2);
  return [...posts].sort((a, b) => weight(a) - weight(b));
}

/** How many posts have nobody at some time from now on. */
export function gapsOf(posts: readonly PostWeek[], now: number): number {
  return posts.filter((post) =>
    post.blocks.some((block) => block.standings.length === 0 && Date.parse(block.ends) > now),
  ).length;
}
