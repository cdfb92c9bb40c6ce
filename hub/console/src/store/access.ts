/** Which of the pages about accounts, phones and tokens one may open. */

import { computed } from "vue";
import { may, mayAnywhere } from "./session";

export type AccessPage = "accounts" | "phones" | "tokens";

export const accessPages = computed<AccessPage[]>(() => {
  const open: Record<AccessPage, boolean> = {
    accounts: mayAnywhere("account.read"),
    phones: may("phone.enrol"),
    tokens: mayAnywhere("token.edit"),
  };
  return (Object.keys(open) as AccessPage[]).filter((page) => open[page]);
});
