/** The people whom a form offers. */

import { computed } from "vue";
import { site } from "../../store/session";
import { t } from "../../words/desk";
import { useResource } from "../frame/resource";
import { readPeople } from "../people/acts";

/** Who works here, by name; `failure` says why they are not known, and then there is nobody to choose. */
export function usePersonChoices() {
  const people = useResource(() => (site.value === null ? null : readPeople(site.value)), { questions: [site] });
  const choices = computed(() => [
    { value: "", label: t("form.choose") },
    ...(people.value?.persons ?? [])
      .filter((person) => person.active)
      .map((person) => ({ value: person.person, label: person.name }))
      .sort((a, b) => a.label.localeCompare(b.label, "zh-CN")),
  ]);
  const failure = computed(() => (people.failure ? t("page.failed", { reason: people.failure }) : ""));
  return { choices, failure };
}
