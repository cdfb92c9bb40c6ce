/** Times for people: 24-hour clock in the site's time zone, spans in words. `now` is always an argument. */

import type { Language } from "../api/types";
import { t } from "../words/language";

const clocks = new Map<string, Intl.DateTimeFormat>();

function clock(zone: string, withDate: boolean): Intl.DateTimeFormat {
  const key = `${zone}/${withDate}`;
  let format = clocks.get(key);
  if (!format) {
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
    const date = { month: "2-digit", day: "2-digit" } as const;
    format = new Intl.DateTimeFormat("zh-CN", { timeZone: zone, ...time, ...(withDate ? date : {}) });
    clocks.set(key, format);
  }
  return format;
}

/** Milliseconds since 1970 of an ISO text, or null for null and for what is no time. */
export function instant(iso: string | null | undefined): number | null {
  if (!iso) return null;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}

/** `14:03:22` in the site's zone. */
export function timeOfDay(at: number, zone: string): string {
  return clock(zone, false).format(at);
}

function partsOfDate(at: number, zone: string): string {
  const parts = Object.fromEntries(clock(zone, true).formatToParts(at).map((part) => [part.type, part.value]));
  return `${parts["month"]}-${parts["day"]}`;
}

/** `14:03:22` today, `11-23 14:03:22` on any other day. */
export function timeWithDay(at: number, now: number, zone: string): string {
  const day = partsOfDate(at, zone);
  const time = timeOfDay(at, zone);
  return day === partsOfDate(now, zone) ? time : `${day} ${time}`;
}

/** `12 秒`, `3 分 05 秒`, `2 小时 05 分`, `1 天 3 小时`. Negative spans count as nought. */
export function spanInWords(ms: number, as?: Language): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  if (total < 60) return t("time.seconds", { s: total }, as);
  if (total < 3600) return t("time.minutes", { m: Math.floor(total / 60), s: two(total % 60) }, as);
  const hours = Math.floor(total / 3600);
  if (hours < 48) return t("time.hours", { h: hours, m: two(Math.floor((total % 3600) / 60)) }, as);
  return t("time.days", { d: Math.floor(hours / 24), h: hours % 24 }, as);
}

/** The browser's own zone. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
