/** A form: its values, what is wrong with them while they are typed, and what the hub said when they were sent. */

import { computed, reactive, ref, type ComputedRef, type Ref } from "vue";
import { ApiError, reasonOf } from "../../api/client";

export type Values = Record<string, string | boolean>;
/** Field → what is wrong and the cure. */
export type Problems = Record<string, string>;

export interface Form<V extends Values> {
  values: V;
  /** All that is wrong now, whether it is shown yet or not. */
  problems: ComputedRef<Problems>;
  /** What is shown at a field: its problem once it was touched, or the hub's. */
  problemOf(field: string): string;
  touch(field: string): void;
  busy: Ref<boolean>;
  /** The hub's refusal where it names no field that is here. */
  refusal: Ref<string>;
  fill(values: V): void;
  /** Sends when nothing is wrong; otherwise shows what is. True: done. */
  submit(send: (values: V) => Promise<unknown>): Promise<boolean>;
}

/** `check` says what is wrong with the values; a field that it does not name is right. */
export function useForm<V extends Values>(initial: V, check: (values: V) => Problems = () => ({})): Form<V> {
  const values = reactive({ ...initial }) as V;
  const touched = reactive(new Set<string>());
  /** Field → the value that the hub refused, and why. */
  const refused = reactive(new Map<string, { value: unknown; why: string }>());
  const refusal = ref("");
  const busy = ref(false);
  const problems = computed(() => check(values));

  function problemOf(field: string): string {
    const hubs = refused.get(field);
    if (hubs && hubs.value === values[field]) return hubs.why;
    return touched.has(field) ? (problems.value[field] ?? "") : "";
  }
  function takeRefusal(error: unknown): void {
    const field = error instanceof ApiError ? (error.field ?? "").split(".").at(-1)! : "";
    if (field in values) refused.set(field, { value: values[field], why: reasonOf(error) });
    else refusal.value = reasonOf(error);
  }
  return {
    values,
    problems,
    problemOf,
    touch: (field) => void touched.add(field),
    busy,
    refusal,
    fill(now) {
      Object.assign(values, now);
      touched.clear();
      refused.clear();
      refusal.value = "";
    },
    async submit(send) {
      for (const field of Object.keys(values)) touched.add(field);
      if (busy.value || Object.values(problems.value).some((problem) => problem !== "")) return false;
      busy.value = true;
      refusal.value = "";
      try {
        await send(values);
        return true;
      } catch (error) {
        takeRefusal(error);
        return false;
      } finally {
        busy.value = false;
      }
    },
  };
}
