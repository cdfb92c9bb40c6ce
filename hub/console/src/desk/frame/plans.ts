/** What plans are called. */

import { at, request } from "../../api/client";
import type { Text } from "../../api/types";
import { may, site } from "../../store/session";
import { said, t } from "../../words/desk";
import { useResource } from "./resource";

/** The name of a plan, or of the escalation beside them; its id until the names are here, or where it has none. */
export function usePlanNames(): (plan: string) => string {
  const plans = useResource(
    () =>
      site.value === null || !may("incident.read")
        ? null
        : request<{ plans: { plan: string; title: Text }[] }>("GET", `${at(site.value)}/plans`),
    { questions: [site], everyMs: 600_000 },
  );
  return (plan) =>
    plan === "escalation" ? t("roster.escalation") : said(plans.value?.plans.find((each) => each.plan === plan)?.title) || plan;
}
