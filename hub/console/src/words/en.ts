/** The English catalogue: the same keys as the Chinese one, checked by the compiler and a test. */

import { alarm } from "./en/alarm";
import { frame } from "./en/frame";
import { work } from "./en/work";
import { journal } from "./en/journal";
import { history } from "./en/history";
import type { Words } from "./zh";

export const en: Words = {
  ...alarm,
  ...frame,
  ...work,
  ...journal,
  ...history,
};
