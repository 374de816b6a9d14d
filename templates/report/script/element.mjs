// Elements made one by one. Text is only ever text: nothing in this page is parsed as HTML.

import { printable } from "./printable.mjs";

/** An element with a class and children; children that are text are made printable. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.map((child) => (typeof child === "string" ? printable(child) : child)));
  return made;
}

/** A link within the page. */
export function link(fragment, ...children) {
  const made = element("a", "", ...children);
  made.setAttribute("href", fragment);
  return made;
}

/** Other people's text, whose reading direction stays its own. */
export function named(text) {
  return element("bdi", "", text);
}

/** A verdict, status or severity in its colour. */
export function badge(word) {
  return element("span", `badge ${word}`, word.replaceAll("_", " "));
}

/** Children with a separator between them. */
export function separated(children, separator = ", ") {
  return children.flatMap((child, at) => (at === 0 ? [child] : [separator, child]));
}
