import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { en as deskEn } from "../src/words/desk/en";
import { zh as deskZh } from "../src/words/desk/zh";
import { en as wallEn } from "../src/words/en";
import { fill } from "../src/words/language";
import { zh as wallZh } from "../src/words/zh";

const zh = { ...wallZh, ...deskZh };
const en = { ...wallEn, ...deskEn };

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

describe("the catalogues", () => {
  it("have the same keys", () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
  });

  it("of wall and desk have no key in common", () => {
    expect(Object.keys(wallZh).filter((key) => key in deskZh)).toEqual([]);
  });

  it("have the same places to fill", () => {
    for (const key of Object.keys(zh) as (keyof typeof zh)[]) {
      expect(places(en[key]), key).toEqual(places(zh[key]));
    }
  });

  it("leave nothing empty and nothing Chinese in English", () => {
    for (const [key, text] of Object.entries(en)) {
      expect(text, key).not.toBe("");
      if (!key.startsWith("bar.language")) expect(text, key).not.toMatch(/[\u4e00-\u9fff]/);
    }
  });

  it("never say 确认 of an alarm, and give each act a word of its own", () => {
    const acts = ["act.acknowledge", "act.silence", "act.verify", "act.reset"] as const;
    for (const words of [zh, en]) expect(new Set(acts.map((key) => words[key])).size).toBe(4);
    const ofAlarms = Object.entries(zh).filter(([key]) => /^(act|state|next|verification|verify|reset)\./.test(key));
    for (const [key, text] of ofAlarms) if (key !== "act.failed.unreachable") expect(text, key).not.toContain("确认");
  });

  it("fill only the places that are named", () => {
    expect(fill("{a} {b}", { a: 1 })).toBe("1 {b}");
  });
});

describe("the design tokens", () => {
  const css = readFileSync("src/theme/tokens.css", "utf8");
  const themes = {
    night: css.slice(css.indexOf('data-theme="night"'), css.indexOf("/* Day")),
    day: css.slice(css.indexOf("/* Day")),
  };

  function luminance(hex: string): number {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
      const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
      return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function contrast(theme: string, a: string, b: string): number {
    const colour = (name: string) => new RegExp(`--${name}: (#\\w{6})`).exec(theme)![1]!;
    const [light, dark] = [luminance(colour(a)), luminance(colour(b))].sort((x, y) => y - x) as [number, number];
    return (light + 0.05) / (dark + 0.05);
  }

  it.each(Object.entries(themes))("keep text at 4.5:1 and shapes at 3:1 in the %s theme", (_name, theme) => {
    const inks = ["ink", "ink-dim", "critical-ink", "high-ink", "medium-ink", "low-ink", "unknown-ink"];
    for (const ground of ["ground", "surface", "raised"]) {
      for (const ink of inks) expect(contrast(theme, ink, ground), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      for (const shape of ["critical", "high", "medium", "low"]) {
        expect(contrast(theme, `${shape}-rim`, ground), `${shape} on ${ground}`).toBeGreaterThanOrEqual(3);
      }
      expect(contrast(theme, "edge", ground), `edge on ${ground}`).toBeGreaterThanOrEqual(3);
    }
    expect(contrast(theme, "on-inverse", "inverse")).toBeGreaterThanOrEqual(4.5);
    expect(contrast(theme, "ink", "unknown-ground")).toBeGreaterThanOrEqual(4.5);
  });
});
