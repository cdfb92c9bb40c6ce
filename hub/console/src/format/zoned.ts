/** Moments as a form writes them (`2026-03-01T14:03`), in the site's time zone whatever the machine's is. */

const formats = new Map<string, Intl.DateTimeFormat>();

function wallParts(at: number, zone: string): Record<string, string> {
  let format = formats.get(zone);
  if (!format) {
    const two = "2-digit";
    const shape = { year: "numeric", month: two, day: two, hour: two, minute: two, hourCycle: "h23" } as const;
    format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, ...shape });
    formats.set(zone, format);
  }
  return Object.fromEntries(format.formatToParts(at).map((part) => [part.type, part.value]));
}

/** `2026-03-01T14:03` of a moment. */
export function localText(at: number, zone: string): string {
  const { year, month, day, hour, minute } = wallParts(at, zone);
  return `${year}-${month}-${day}T${hour}:${minute}`;
}

/** The moment (ms) that such a text means, or null for what is none. A text that a clock change repeats is its first. */
export function momentOf(text: string, zone: string): number | null {
  const asUtc = Date.parse(`${text}Z`);
  if (Number.isNaN(asUtc)) return null;
  const offset = (at: number) => Date.parse(`${localText(at, zone)}Z`) - Math.floor(at / 60_000) * 60_000;
  const first = asUtc - offset(asUtc);
  return asUtc - offset(first);
}
