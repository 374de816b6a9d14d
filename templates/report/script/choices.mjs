// The filters: lists to choose from, and what is chosen as chips that can be taken away.

import { element } from "./element.mjs";
import { printable, thousands } from "./printable.mjs";

/** Pause in typing after which is searched, in milliseconds. */
export const TYPING = 120;
/** Longer lists can be searched. */
const SEARCHED_FROM = 15;

/** One list for each of these keys, which have several values; the filter counts them and says what they are called. */
export class Choices {
  constructor(container, filter, keys, change) {
    this.filter = filter;
    this.lists = keys.map((key) => {
      const list = element("details", "choice", element("summary", "", key), element("fieldset", ""));
      list.dataset.key = key;
      list.addEventListener("toggle", () => list.open && this.#fill(list));
      list.addEventListener("change", ({ target }) => {
        if (target.type !== "checkbox") return;
        const { [key]: before } = this.view;
        change({ ...this.view, [key]: target.checked ? [...before, target.value] : before.filter((one) => one !== target.value) });
      });
      list.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !list.open) return;
        list.open = false;
        list.firstElementChild.focus();
      });
      return list;
    });
    container.append(...this.lists);
    document.addEventListener("click", ({ target }) => {
      for (const list of this.lists) if (!list.contains(target)) list.open = false;
    });
  }

  /** Shows what a view has chosen. */
  show(view) {
    this.view = view;
    for (const list of this.lists) {
      const chosen = view[list.dataset.key].length;
      list.firstElementChild.textContent = list.dataset.key + (chosen > 0 ? ` (${chosen})` : "");
      if (list.open) this.#update(list);
    }
  }

  #fill(list) {
    const { key } = list.dataset;
    const counts = this.filter.counts(this.view, key);
    const values = new Set([...counts.keys(), ...this.view[key]]);
    const rows = Array.from(values, (value) => {
      const box = document.createElement("input");
      box.type = "checkbox";
      box.name = key;
      box.value = value;
      return element("label", "", box, element("bdi", "", this.filter.label(key, value)), element("small", ""));
    });
    const fieldset = list.lastElementChild;
    fieldset.replaceChildren(element("legend", "hidden", key), ...(rows.length > SEARCHED_FROM ? [searchOf(key, rows)] : []), ...rows);
    this.#update(list);
  }

  #update(list) {
    const { key } = list.dataset;
    const counts = this.filter.counts(this.view, key);
    for (const row of list.querySelectorAll("label")) {
      const box = row.firstElementChild;
      box.checked = this.view[key].includes(box.value);
      row.lastElementChild.textContent = thousands(counts.get(box.value) ?? 0);
    }
  }
}

function searchOf(key, rows) {
  const search = document.createElement("input");
  search.type = "search";
  search.setAttribute("aria-label", `Search ${key}`);
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  return search;
}

/** Draws what a view has chosen of keys with several values and of those with one; a click takes it away. */
export function chips(container, view, { several, single, label }, change) {
  const chip = (key, value, without) => {
    const button = element("button", "", `${key}: ${label(key, value)} ×`);
    button.type = "button";
    button.setAttribute("aria-label", `Remove ${key} ${printable(label(key, value))}`);
    button.addEventListener("click", () => change(without));
    return button;
  };
  const lists = several.flatMap((key) =>
    view[key].map((value) => chip(key, value, { ...view, [key]: view[key].filter((one) => one !== value) })),
  );
  const others = single.filter((key) => view[key]).map((key) => chip(key, view[key], { ...view, [key]: "" }));
  container.replaceChildren(...lists, ...others);
}
