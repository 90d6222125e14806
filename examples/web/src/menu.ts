/** The list of models, grouped by what they show. */

/** `models/index.json`, written by scripts/copy-models.mjs. */
interface Entry {
  name: string;
  group: string;
  description: string;
}

/** The value of the entry for a service; no model has it, for it is no file's name. */
export const SERVICE = "service:";

/** @throws Error where there is no model */
export async function listModels(picker: HTMLSelectElement): Promise<void> {
  const response = await fetch("models/index.json");
  const models = response.ok ? ((await response.json()) as Entry[]) : [];
  if (!models.length) throw new Error("There is no model yet: run `npm run models`, then load this page again.");
  for (const { name, group, description } of models) {
    let into = [...picker.querySelectorAll("optgroup")].find(({ label }) => label === group);
    if (!into) {
      into = document.createElement("optgroup");
      into.label = group;
      picker.append(into);
    }
    const option = new Option(name, name);
    option.title = description;
    into.append(option);
  }
  picker.append(new Option("A service…", SERVICE));
  picker.selectedIndex = 0;
  picker.disabled = false;
}
