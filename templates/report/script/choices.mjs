// The filters: lists to choose from, and what is chosen as chips that can be taken away.

import { element } from "./element.mjs";
import { CHOICES } from "./fragment.mjs";
import { printable, thousands } from "./printable.mjs";

/** Longer lists can be searched. */
const SEARCHED_FROM = 15;

/** One list for each key that has several values. */
export class Choices {
  constructor(container, filter, change) {
    this.filter = filter;
    this.lists = CHOICES.map((key) => {
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
      const name = key === "account" ? `${value} ${this.filter.accountName(value)}` : value.replaceAll("_", " ");
      return element("label", "", box, element("bdi", "", name), element("small", ""));
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

/** Draws what a view has chosen; a click takes it away. */
export function chips(container, view, change) {
  const chip = (key, value, without) => {
    const button = element("button", "", `${key}: ${value.replaceAll("_", " ")} ×`);
    button.type = "button";
    button.setAttribute("aria-label", `Remove ${key} ${printable(value)}`);
    button.addEventListener("click", () => change(without));
    return button;
  };
  const several = [...CHOICES, "tag"].flatMap((key) =>
    view[key].map((value) => chip(key, value, { ...view, [key]: view[key].filter((one) => one !== value) })),
  );
  const single = ["requirement", "resource", "change"].filter((key) => view[key]).map((key) => chip(key, view[key], { ...view, [key]: "" }));
  container.replaceChildren(...several, ...single);
}
