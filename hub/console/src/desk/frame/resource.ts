/** Something the hub is asked for: what it last said, when it said it, and whether the last question failed. */

import { onScopeDispose, reactive, watch, type WatchSource } from "vue";
import { ApiError, reasonOf } from "../../api/client";
import { hubNow } from "../../store/clock";
import { loseSession } from "../../store/session";

export interface Resource<Value> {
  /** The last answer to the question that is asked now; null: there is none yet. */
  value: Value | null;
  /** Hub time of that answer; ms. */
  readAt: number | null;
  /** Why the newest question came to nothing; empty: it did not. */
  failure: string;
  reading: boolean;
  reload(): Promise<void>;
  /** Takes an answer that an act brought. */
  take(value: Value): void;
}

/**
 * Asks at once, when one of `questions` changes (the old answer is forgotten: it is not the answer to the new
 * question), when one of `hints` changes (the old one stays until the new one is here), and every `everyMs`.
 * `ask` gives null while nothing can be asked.
 */
export function useResource<Value>(
  ask: () => Promise<Value> | null,
  { questions = [], hints = [], everyMs = 30_000 }: { questions?: WatchSource[]; hints?: WatchSource[]; everyMs?: number } = {},
): Resource<Value> {
  let latest = 0;
  const resource = reactive({ value: null, readAt: null, failure: "", reading: false, reload, take }) as Resource<Value>;

  function take(value: Value): void {
    resource.value = value;
    resource.readAt = hubNow.value;
    resource.failure = "";
  }
  async function reload(): Promise<void> {
    const question = ask();
    const number = ++latest;
    if (question === null) return;
    resource.reading = true;
    try {
      const value = await question;
      if (number === latest) take(value);
    } catch (error) {
      if (number !== latest) return;
      resource.failure = reasonOf(error);
      if (error instanceof ApiError && error.status === 401) loseSession();
    } finally {
      if (number === latest) resource.reading = false;
    }
  }

  watch(
    questions,
    () => {
      Object.assign(resource, { value: null, readAt: null, failure: "" });
      void reload();
    },
    { immediate: true },
  );
  if (hints.length > 0) watch(hints, () => void reload());
  const timer = setInterval(() => void reload(), everyMs);
  onScopeDispose(() => {
    latest++;
    clearInterval(timer);
  });
  return resource;
}
