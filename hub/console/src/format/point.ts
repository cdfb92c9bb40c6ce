/** What a point is called; where the hub has no English for it, its own name without the unit. */

import type { PointValue } from "../api/types";
import { said } from "../words/language";

const unitAtEnd = /(_lel_pct|_pct_m|_pct|_ppm|_dbm|_mpa|_ma|_ms|_c|_v|_a|_w|_m|_s)$/;

export function pointName(value: PointValue): string {
  const name = said(value.point_name);
  return name === value.point ? name.replace(unitAtEnd, "").replaceAll("_", " ") : name;
}
