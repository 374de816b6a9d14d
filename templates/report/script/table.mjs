// A list of any length of which only the visible rows are drawn. All rows have the same height.

import { element } from "./element.mjs";

/** Rows above and below the visible ones that are drawn too. */
const MARGIN = 8;

/** A cell of a row. */
export function gridCell(...children) {
  const made = element("span", "", ...children);
  made.setAttribute("role", "gridcell");
  return made;
}

/** A cell of the head. */
export function columnHeader(text) {
  const made = element("span", "", text);
  made.setAttribute("role", "columnheader");
  return made;
}

/** A grid for the keyboard and for screen readers, in a container that scrolls. */
export class Table {
  #count = 0;
  #current = -1;
  #drawn = [0, 0];

  /** `open(index)` is called for a row that is clicked or entered, `close()` for Escape. `name` begins the rows' ids. */
  constructor(container, { open, close, name = "row" }) {
    this.container = container;
    this.name = name;
    this.open = open;
    this.space = document.createElement("div");
    this.window = document.createElement("div");
    this.space.className = "space";
    this.window.className = "window";
    for (const element of [this.space, this.window]) element.setAttribute("role", "presentation");
    this.space.append(this.window);
    container.addEventListener("scroll", () => this.#draw());
    addEventListener("resize", () => this.#resize());
    container.addEventListener("click", (event) => {
      const row = event.target.closest("[data-index]");
      if (row) this.#enter(Number(row.dataset.index));
    });
    container.addEventListener("keydown", (event) => this.#key(event, close));
  }

  /** Shows other rows: `headers` are elements, `draw(index)` makes a row's cells and names it. */
  show(count, headers, draw) {
    this.#count = count;
    this.#current = -1;
    this.draw = draw;
    this.container.setAttribute("aria-rowcount", count + 1);
    this.container.removeAttribute("aria-activedescendant");
    const head = document.createElement("div");
    head.className = "head";
    head.setAttribute("role", "row");
    head.setAttribute("aria-rowindex", 1);
    head.append(...headers);
    this.container.replaceChildren(head, this.space);
    this.container.scrollTop = 0;
    this.#resize();
  }

  /** Makes a row the current one and brings it into view. */
  select(index) {
    this.#current = index;
    const { container } = this;
    // A narrow list has no visible head. Where the rows begin in the page says nothing of it.
    const head = container.firstElementChild.offsetHeight;
    const [top, height] = [index * this.height, container.clientHeight - head];
    if (top < container.scrollTop) container.scrollTop = top;
    else if (top + this.height > container.scrollTop + height) container.scrollTop = top + this.height - height;
    this.#draw(true);
    container.setAttribute("aria-activedescendant", `${this.name}-${index}`);
  }

  /** Draws that many rows at once, for paper; a later `show` or scroll undoes it. */
  all(limit) {
    this.#fill(0, Math.min(limit, this.#count));
  }

  /** Draws anew: back from paper, or because the list became wider or narrower. */
  restore() {
    this.#resize();
    if (this.#current >= 0) this.select(this.#current);
  }

  #resize() {
    const first = this.container.scrollTop / (this.height || 1);
    this.#fill(0, Math.min(1, this.#count));
    this.height = this.window.firstElementChild?.offsetHeight || 48;
    this.space.style.height = `${this.height * this.#count}px`;
    // The same rows stay in view, whatever their height is now.
    this.container.scrollTop = first * this.height;
    this.#draw(true);
  }

  #draw(isForced = false) {
    const { scrollTop, clientHeight } = this.container;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - MARGIN);
    const end = Math.min(this.#count, Math.ceil((scrollTop + clientHeight) / this.height) + MARGIN);
    if (isForced || first !== this.#drawn[0] || end !== this.#drawn[1]) this.#fill(first, end);
  }

  #fill(first, end) {
    this.#drawn = [first, end];
    const rows = [];
    for (let index = first; index < end; index += 1) rows.push(this.#row(index));
    this.window.style.transform = `translateY(${first * (this.height ?? 0)}px)`;
    this.window.replaceChildren(...rows);
  }

  #row(index) {
    const row = document.createElement("div");
    const { id, cells } = this.draw(index);
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", index + 2);
    row.id = `${this.name}-${index}`;
    row.dataset.index = index;
    row.dataset.id = id;
    row.setAttribute("aria-selected", index === this.#current);
    if (index === this.#current) row.className = "current";
    row.append(...cells);
    return row;
  }

  #enter(index) {
    this.select(index);
    this.open(index);
  }

  #key(event, close) {
    const page = Math.max(1, Math.floor(this.container.clientHeight / this.height) - 2);
    const last = this.#count - 1;
    const to = {
      ArrowDown: this.#current + 1, ArrowUp: this.#current - 1, Home: 0, End: last,
      PageDown: this.#current + page, PageUp: this.#current - page,
    }[event.key];
    if (event.target !== this.container || event.ctrlKey || event.altKey || event.metaKey) return;
    if (to !== undefined && last >= 0) this.select(Math.max(0, Math.min(last, to)));
    else if (event.key === "Enter" && this.#current >= 0) this.open(this.#current);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  }
}
