/** A square of `size` modules, black on white. */
export interface Qr {
  size: number;
  path: string;
}
