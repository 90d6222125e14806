/** The level of a full-scale sine, kept on this device. */

import { FULL_SCALE_DB } from "amt-export";
import { element, write } from "./page";

/** Where it is kept; one for all models, since it belongs to microphone and sound card. */
const KEY = "amt-export.full-scale-db";

export class LevelField {
  onchange: () => void = () => {};
  private readonly input = element<HTMLInputElement>("level");
  private own = kept() ?? FULL_SCALE_DB;

  constructor() {
    this.input.valueAsNumber = this.own;
    this.input.placeholder = `${FULL_SCALE_DB}`;
    this.input.onchange = () => {
      if (!this.input.checkValidity()) return this.input.reportValidity();
      this.own = this.input.valueAsNumber;
      keep(this.own);
      this.onchange();
    };
  }

  /** Show the level that somebody else has set, and who; null: this device's own again. */
  follow(set: { level: number; by: string } | null): void {
    this.input.disabled = set !== null;
    this.input.valueAsNumber = set ? set.level : this.own;
    element("how").hidden = set !== null;
    element("follows").hidden = set === null;
    write("follows", set ? `Set by ${set.by}; it cannot be changed here.` : "");
  }

  /** dB SPL; undefined where the field is empty, which means the usual one. */
  get value(): number | undefined {
    const { valueAsNumber: value } = this.input;
    return Number.isNaN(value) ? undefined : value;
  }
}

function kept(): number | null {
  try {
    const value = Number.parseFloat(localStorage.getItem(KEY) ?? "");
    return Number.isFinite(value) ? value : null;
  } catch {
    return null; // storage may be forbidden
  }
}

function keep(value: number): void {
  try {
    if (Number.isNaN(value)) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, `${value}`);
    write("saved", "Saved on this device.");
  } catch {
    write("saved", "This browser does not allow the page to save it.");
  }
}
