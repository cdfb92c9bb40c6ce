/** The Chinese catalogue of the desk: it fixes the keys. */

import { frame } from "./zh/frame";
import { hazard } from "./zh/hazard";
import { journal } from "./zh/journal";

export const zh = { ...frame, ...hazard, ...journal };

export type DeskWords = Record<keyof typeof zh, string>;
