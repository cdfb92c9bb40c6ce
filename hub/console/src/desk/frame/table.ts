/** What a table shows: its columns in words, in the order of one of them, and the same as a file. */

export interface Column<Row> {
  key: string;
  name: string;
  /** What the cell says; also what is exported and, without `order`, sorted by. */
  text(row: Row): string;
  order?(row: Row): number | string;
  /** Left out on a phone. */
  wide?: boolean;
}

/** `name` ascending, `-name` descending; an unknown or empty name keeps the order. */
export function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], by: string): Row[] {
  const column = columns.find((each) => each.key === by.replace(/^-/, ""));
  if (!column) return [...rows];
  const value = column.order ?? column.text;
  const sign = by.startsWith("-") ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (typeof x === "number" && typeof y === "number") return sign * (x - y);
    return sign * String(x).localeCompare(String(y), "zh-CN");
  });
}

/** A spreadsheet takes what begins so for a formula; an apostrophe keeps it text. */
const formula = /^[=+\-@\t\r]/;

function cell(text: string): string {
  const plain = formula.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** CSV with a byte order mark, by which Excel knows UTF-8. */
export function csvOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [columns.map((column) => cell(column.name)), ...rows.map((row) => columns.map((each) => cell(each.text(row))))];
  return `\ufeff${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}

/** Hands a text to the person as a file. */
export function saveFile(name: string, text: string, type = "text/csv"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
