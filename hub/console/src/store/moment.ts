/** The moment that every sentence on this screen is said in. */

import { computed } from "vue";
import type { Moment } from "../alarm/sentence";
import { language } from "../words/language";
import { hubNow } from "./clock";
import { reach, timeZone } from "./site";

export const moment = computed<Moment>(() => ({
  now: hubNow.value,
  zone: timeZone.value,
  language: language.value,
  blind: reach.value === "blind",
}));
