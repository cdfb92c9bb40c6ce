/** An alarm as a sentence: what (source, verified or not) · where · since when · what to do · what happens next. */

import type { AlarmView, Language, UnreceiptedItem } from "../api/types";
import { instant, spanInWords, timeWithDay } from "../format/time";
import { said, t } from "../words/language";
import { isDecided } from "./act";
import { awaitsAcknowledgement } from "./order";

export interface Sentence {
  what: string;
  /** In brackets after what: single detector, verified or not, late, not judged, drill. */
  marks: string[];
  where: string;
  /** The device or its address, said after the place. */
  source: string;
  at: string;
  since: string;
  todo: string;
  next: string;
}

export interface Moment {
  now: number;
  zone: string;
  language: Language;
  /** This screen no longer hears the hub: what the hub does next is then not known. */
  blind: boolean;
}

function marksOf(alarm: AlarmView, as: Language): string[] {
  const marks: string[] = [];
  if (alarm.exercise) marks.push(t("mark.exercise", {}, as));
  if (alarm.kind === "fire.alarm") marks.push(t(alarm.single_detector ? "mark.single" : "mark.together", {}, as));
  marks.push(t(`verification.${alarm.verification}`, {}, as));
  if (alarm.unjudged) marks.push(t("mark.unjudged", {}, as));
  if (alarm.late) marks.push(t("mark.late", {}, as));
  return marks;
}

function nameOfTarget(alarm: AlarmView, as: Language): string {
  const to = alarm.next_escalation_to;
  return to ? [said(to.post_name, as), to.person_name].filter(Boolean).join(" ") : "";
}

/** What happens next if nobody does anything, or what the next act is. */
export function nextOf(alarm: AlarmView, { now, language: as, blind }: Moment): string {
  if (alarm.state === "closed") return t("next.closed", {}, as);
  if (awaitsAcknowledgement(alarm)) {
    const due = instant(alarm.next_escalation_at);
    if (blind) return t("next.escalationUnknown", {}, as);
    if (due === null) return t(alarm.escalation_level > 0 ? "next.escalatedAll" : "next.noEscalation", {}, as);
    const who = nameOfTarget(alarm, as);
    if (due <= now) return t("next.escalating", { who }, as).trim();
    const span = spanInWords(due - now, as);
    return who ? t("next.escalatesTo", { span, who }, as) : t("next.escalatesIn", { span }, as);
  }
  if (!isDecided(alarm.verification)) return t("next.verify", {}, as);
  if (alarm.state === "latched") return t(alarm.active === true ? "next.awaitClear" : "next.resetReady", {}, as);
  return t(alarm.nature === "plain" ? "next.closes" : "next.awaitClear", {}, as);
}

/**
 * A place in words, outermost first in Chinese, innermost first in English. A name that begins with the one
 * above it says both: `教学楼`, `教学楼三层`, `化学实验室` → `教学楼三层 化学实验室`.
 */
export function placeOf(path: AlarmView["zone_path"], as: Language): string {
  const names = path.map((zone) => said(zone, as)).filter((name, place, all) => !all[place + 1]?.startsWith(name));
  return as === "zh" ? names.join(" ") : names.reverse().join(", ");
}

function sourceOf(alarm: AlarmView, as: Language): string {
  const device = said(alarm.device_name, as);
  const address = said(alarm.address_name, as) || (alarm.address ?? "");
  return [device, address].filter((part) => part !== "" && part !== "0").join(" ") || alarm.subject;
}

/** English sentences begin with a capital; names come as the site wrote them. */
function begin(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function sentenceOf(alarm: AlarmView, moment: Moment): Sentence {
  const as = moment.language;
  const at = instant(alarm.observed_at) ?? instant(alarm.raised_at);
  return {
    what: begin(said(alarm.kind_name, as) || alarm.kind),
    marks: marksOf(alarm, as),
    where: begin(placeOf(alarm.zone_path, as)),
    source: sourceOf(alarm, as),
    at: at === null ? t("time.unknown", {}, as) : timeWithDay(at, moment.now, moment.zone),
    since: at === null ? "" : t("time.already", { span: spanInWords(moment.now - at, as) }, as),
    todo: said(alarm.response, as) || t("sentence.noResponse", {}, as),
    next: nextOf(alarm, moment),
  };
}

/** The same for an item that is neither judged nor stored: it says so, and that nothing escalates. */
export function sentenceOfUnreceipted(item: UnreceiptedItem, moment: Moment): Sentence {
  const as = moment.language;
  const at = instant(item.edge_at) ?? instant(item.first_seen_at);
  return {
    what: begin(said(item.kind_name, as) || item.kind),
    marks: [t("state.unreceipted", {}, as)],
    where: said(item.zone_name, as),
    source: [said(item.device_name, as) || item.device, item.address].filter(Boolean).join(" "),
    at: at === null ? t("time.unknown", {}, as) : timeWithDay(at, moment.now, moment.zone),
    since: at === null ? "" : t("time.already", { span: spanInWords(moment.now - at, as) }, as),
    todo: "",
    next: t("next.unstored", {}, as),
  };
}

/** One line, for announcements and screen readers. */
export function inOneLine(sentence: Sentence, as: Language): string {
  const brackets = as === "zh" ? `（${sentence.marks.join("，")}）` : ` (${sentence.marks.join(", ")})`;
  return [sentence.what + brackets, sentence.where, `${sentence.at} ${sentence.since}`, sentence.todo, sentence.next]
    .filter((part) => part.trim() !== "")
    .join(" · ");
}
