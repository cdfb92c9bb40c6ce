/** The Chinese catalogue of wall and phone: the first language, and the one that fixes the keys. The desk pages
 * have words of their own, which load with them: `desk.ts`.
 */

import { alarm } from "./zh/alarm";
import { frame } from "./zh/frame";
import { work } from "./zh/work";
import { journal } from "./zh/journal";
import { history } from "./zh/history";

export const zh = {
  ...alarm,
  ...frame,
  ...work,
  ...journal,
  ...history,
};

export type Words = Record<keyof typeof zh, string>;
