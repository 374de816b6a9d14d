// Parts of the static page that are filled from the data when they are opened.

import { badge, element, link, separated } from "./element.mjs";
import { anchor } from "./fragment.mjs";
import { thousands } from "./printable.mjs";

/** Fills `details.by-account` and `details.coverage` when they are opened first. */
export function fillWhenOpened(data) {
  const fill = (details) => {
    if (!details.open || details.dataset.filled) return;
    if (details.matches(".by-account")) details.append(byAccount(data, details.dataset));
    else if (details.matches(".coverage")) details.append(coverage(data, details.dataset.account));
    else return;
    details.dataset.filled = "yes";
  };
  // `toggle` does not bubble.
  document.addEventListener("toggle", ({ target }) => target instanceof HTMLDetailsElement && fill(target), true);
  document.querySelectorAll("details[open]").forEach(fill);
}

function byAccount(data, { framework, requirement }) {
  const items = data.accountsBy(framework, requirement).map(([status, accounts]) => {
    const links = accounts.map((id) => link(`#${anchor("account", id)}`, id));
    return element("li", "", badge(status), ` ${thousands(accounts.length)}: `, ...separated(links));
  });
  return element("ul", "", ...items);
}

function coverage(data, account) {
  const headers = ["Call", "Region", "State", "Answered", "Not answered", "Gone"];
  const head = headers.map((text) => {
    const cell = element("th", "", text);
    cell.scope = "col";
    return cell;
  });
  const rows = data.coverageOf(account).map((row) => {
    const call = element("th", "", element("code", "", row.call), ...row.errors.map(missing));
    call.scope = "row";
    const numbers = [row.answered, row.unanswered, row.gone].map((n) => element("td", "n", thousands(n)));
    return element("tr", "", call, element("td", "", row.region), element("td", "", row.state), ...numbers);
  });
  const table = element("table", "", element("thead", "", element("tr", "", ...head)), element("tbody", "", ...rows));
  const scroll = element("div", "scroll", table);
  scroll.tabIndex = 0;
  return scroll;
}

function missing({ times, cause, code, message }) {
  const what = [cause, code, message].filter(Boolean).join(": ");
  return element("p", "unseen", `${thousands(times)} × ${what}`);
}
