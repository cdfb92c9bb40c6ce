/** The catalogue in use. zh-CN first; en complete (a test compares the keys). */

import { ref } from "vue";
import type { Language, Text } from "../api/types";
import { en } from "./en";
import { zh, type Words } from "./zh";

export type WordKey = keyof Words;
const catalogues: Record<Language, Words> = { zh, en };
const storageKey = "sanfang.language";

function firstLanguage(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem(storageKey);
  return asked === "en" ? "en" : "zh";
}

export const language = ref<Language>(firstLanguage());

export function chooseLanguage(chosen: Language): void {
  language.value = chosen;
  localStorage.setItem(storageKey, chosen);
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
}

/** Fills `{name}` places of a template. */
export function fill(template: string, values: Record<string, string | number>): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

/** The words of `key` in the language in use (or in `as`). */
export function t(key: WordKey, values: Record<string, string | number> = {}, as: Language = language.value): string {
  return fill(catalogues[as][key], values);
}

/** The words of a key made at run time, `fallback` where the catalogue has none. */
export function tMaybe(key: string, fallback: string, as: Language = language.value): string {
  return key in catalogues[as] ? catalogues[as][key as WordKey] : fallback;
}

/** A text that the hub sent in both languages. */
export function said(text: Text | string | null | undefined, as: Language = language.value): string {
  if (text === null || text === undefined) return "";
  if (typeof text === "string") return text;
  return text[as] || text.zh || text.en;
}
