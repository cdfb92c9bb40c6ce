/** The Chinese catalogue of the desk: it fixes the keys. */

import { access } from "./zh/access";
import { account } from "./zh/account";
import { county } from "./zh/county";
import { duties } from "./zh/duties";
import { floorplan } from "./zh/floorplan";
import { frame } from "./zh/frame";
import { handover } from "./zh/handover";
import { hazard } from "./zh/hazard";
import { journal } from "./zh/journal";
import { people } from "./zh/people";
import { places } from "./zh/places";
import { roster } from "./zh/roster";
import { start } from "./zh/start";

export const zh = { ...access, ...account, ...duties, ...county, ...floorplan, ...frame, ...handover, ...hazard, ...journal, ...people, ...places, ...roster, ...start };

export type DeskWords = Record<keyof typeof zh, string>;
