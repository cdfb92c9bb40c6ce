/** An act on a button: sent once, awaited, its refusal in words, never shown as done before the hub says so. */

import { reactive } from "vue";
import { ApiError, reasonOf } from "../../api/client";
import { loseSession } from "../../store/session";

export interface Acting {
  busy: boolean;
  /** Why the last act came to nothing; empty: it did not. */
  problem: string;
  /** Whether the act was done. */
  run(act: () => Promise<unknown>): Promise<boolean>;
}

export function useActing(): Acting {
  const acting: Acting = reactive({
    busy: false,
    problem: "",
    async run(act: () => Promise<unknown>) {
      if (acting.busy) return false;
      acting.busy = true;
      acting.problem = "";
      try {
        await act();
        return true;
      } catch (error) {
        acting.problem = reasonOf(error);
        if (error instanceof ApiError && error.status === 401) loseSession();
        return false;
      } finally {
        acting.busy = false;
      }
    },
  });
  return acting;
}
