/** Is this a phone's width? Then the wall is one column. */

import { ref } from "vue";

const query = matchMedia("(max-width: 720px)");
export const narrow = ref(query.matches);
query.addEventListener("change", (event) => (narrow.value = event.matches));
