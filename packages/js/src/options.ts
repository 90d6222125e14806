/** Objects of options: a key that a function does not know is refused, as keyword arguments are in Python. */

import { InputError } from "./errors.js";

/** The keys of a type of options; the compiler refuses a list that lacks one, or has one too many. */
export type Keys<Options> = Record<keyof Options, true>;

/**
 * Refuse what is no object of known options.
 *
 * @param what the function, for the message
 * @throws InputError that names the unknown key, the one that was probably meant, and all that there are
 */
export function checkOptions<Options extends object>(what: string, options: Options, keys: Keys<Options>): void {
  const known = Object.keys(keys);
  const given: unknown = options; // callers in plain JavaScript may give anything
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    const found = given === null ? "null" : Array.isArray(given) ? "an array" : `a ${typeof given}`;
    throw new InputError(`${what}: options are ${found}; give an object such as { ${known[0]}: ... }`);
  }
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const near = closest(key, known);
    const hint = near ? `did you mean "${near}"? ` : "";
    throw new InputError(`${what}: unknown option ${JSON.stringify(key)}; ${hint}choose from: ${known.join(", ")}`);
  }
}

/** The name that was probably meant: half of its letters are right; case and underscores do not count. */
function closest(given: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[_-]/g, "");
  const word = plain(given);
  const ranked = names
    .map((name) => ({ name, edits: edits(word, plain(name)) }))
    .filter(({ name, edits }) => edits <= plain(name).length / 2)
    .sort((one, other) => one.edits - other.edits);
  return ranked[0]?.name;
}

/** Letters to insert, delete or replace until one word is the other (Levenshtein). */
function edits(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, j) => j);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, replaced));
    }
    row = next;
  }
  return row[other.length];
}
