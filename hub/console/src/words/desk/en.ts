/** The English catalogue of the desk, with the same keys. */

import { access } from "./en/access";
import { account } from "./en/account";
import { county } from "./en/county";
import { duties } from "./en/duties";
import { floorplan } from "./en/floorplan";
import { frame } from "./en/frame";
import { handover } from "./en/handover";
import { hazard } from "./en/hazard";
import { journal } from "./en/journal";
import { people } from "./en/people";
import { places } from "./en/places";
import { roster } from "./en/roster";
import { start } from "./en/start";
import type { DeskWords } from "./zh";

export const en: DeskWords = { ...access, ...account, ...duties, ...county, ...floorplan, ...frame, ...handover, ...hazard, ...journal, ...people, ...places, ...roster, ...start };
