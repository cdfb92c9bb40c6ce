/** The words of the desk pages: they load with those pages, beside the catalogue of wall and phone. */

import type { Language } from "../api/types";
import { en } from "./desk/en";
import { zh, type DeskWords } from "./desk/zh";
import { fill, language, t as tWall, tMaybe as tMaybeWall, type WordKey as WallKey } from "./language";

export type WordKey = WallKey | keyof DeskWords;
const catalogues: Record<Language, DeskWords> = { zh, en };

function ofDesk(key: string): key is keyof DeskWords {
  return key in zh;
}

/** The words of `key`, from the desk's own catalogue or the common one. */
export function t(key: WordKey, values: Record<string, string | number> = {}, as: Language = language.value): string {
  return ofDesk(key) ? fill(catalogues[as][key], values) : tWall(key, values, as);
}

/** The words of a key made at run time, `fallback` where neither catalogue has it. */
export function tMaybe(key: string, fallback: string, as: Language = language.value): string {
  if (ofDesk(key)) return catalogues[as][key];
  return tMaybeWall(key, fallback, as);
}

export { language, said } from "./language";
