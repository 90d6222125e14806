/** Numbers, as one reads them. */

/** Three digits are what one can read, and what is true. */
export function digits(value: number): string {
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(value >= 10 ? 2 : 3))}`;
}

export function scientific(value: number): string {
  return value > 0 && value < 0.1 ? value.toExponential(0) : `${Number(value.toPrecision(2))}`;
}
