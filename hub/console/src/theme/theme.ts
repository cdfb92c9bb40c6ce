/** Night or day: what the person chose, else what the machine prefers. */

import { ref } from "vue";

export type Theme = "night" | "day";
const storageKey = "sanfang.theme";

function firstTheme(): Theme {
  const chosen = localStorage.getItem(storageKey);
  if (chosen === "night" || chosen === "day") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "day" : "night";
}

export const theme = ref<Theme>(firstTheme());

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  localStorage.setItem(storageKey, chosen);
  document.documentElement.dataset["theme"] = chosen;
}
