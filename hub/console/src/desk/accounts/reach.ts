/** A role and where it holds, as a form asks for it and as a list says it. */

import { computed } from "vue";
import { session, site } from "../../store/session";
import { said, t, type WordKey } from "../../words/desk";
import { everywhere, overArea, reachOf, roles, type Reach, type Role } from "./acts";

export const roleName = (role: Role) => t(`role.${role}` as WordKey);

export function reachName(reach: Reach): string {
  if (reach.site === null) return reach.area.length === 0 ? t("access.everywhere") : reach.area.join(" › ");
  const known = session.value?.sites.find((each) => each.site === reach.site);
  return said(known?.name) || reach.site;
}

export const roleChoices = computed(() => [
  { value: "", label: t("form.choose") },
  ...roles.map((role) => ({ value: role, label: roleName(role) })),
]);
export const reachChoices = computed(() => [
  ...(session.value?.sites ?? []).map((each) => ({ value: each.site, label: said(each.name) })),
  { value: overArea, label: t("access.area") },
  { value: everywhere, label: t("access.everywhere") },
]);
export const emptyGrant = () => ({ role: "", where: site.value ?? everywhere, city: "", county: "" });
export type GrantValues = ReturnType<typeof emptyGrant>;
export const problemsOfGrant = (values: GrantValues) => ({
  role: values.role === "" ? t("form.choose") : "",
  city: reachOf(values.where, values.city, values.county) === null ? t("form.missing") : "",
});
