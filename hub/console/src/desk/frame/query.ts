/** Filters in the address bar: what is filtered can be sent to a colleague, and Back undoes it. */

import { computed, type WritableComputedRef } from "vue";
import { useRoute, useRouter, type LocationQueryRaw } from "vue-router";

/** What was set in this moment and has not reached the router yet. */
let pending: LocationQueryRaw | null = null;

/** One filter by its name; the `usual` value does not stand in the address. */
export function useQuery(name: string, usual = ""): WritableComputedRef<string> {
  const route = useRoute();
  const router = useRouter();
  return computed({
    get: () => {
      const value = route.query[name];
      return typeof value === "string" ? value : usual;
    },
    set: (value) => {
      // The router resolves a moment later: two filters set in one go must not undo one another.
      pending = { ...(pending ?? route.query), [name]: value === usual ? undefined : value };
      const query = pending;
      queueMicrotask(() => {
        if (pending !== query) return;
        pending = null;
        void router.replace({ query });
      });
    },
  });
}
