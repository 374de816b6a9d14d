// The findings explorer: what is shown is a view, and the view stands in the page's address.

import { Choices, TYPING, chips } from "./choices.mjs";
import { csv } from "./csv.mjs";
import { decode, unpacked } from "./data.mjs";
import { detail } from "./detail.mjs";
import { Detections } from "./detections.mjs";
import { DetectionExplorer, detectedOn } from "./detected.mjs";
import { badge, element, named } from "./element.mjs";
import { Filter, byResource } from "./filter.mjs";
import { CHOICES, everything, ofResource, parse, print, usual } from "./fragment.mjs";
import { fillWhenOpened } from "./hooks.mjs";
import { count, thousands } from "./printable.mjs";
import { Table, columnHeader, gridCell } from "./table.mjs";

/** Rows that are drawn for paper. */
const PRINTED = 2_000;

class Explorer {
  /** `detections` are those of the page, or null where it has none. */
  constructor(data, detections) {
    this.data = data;
    this.detections = detections;
    this.filter = new Filter(data);
    this.at = (id) => document.getElementById(id);
    this.form = this.at("filters");
    this.table = new Table(this.at("rows"), { open: (index) => this.#enter(index), close: () => this.#close() });
    this.choices = new Choices(this.at("choices"), this.filter, CHOICES, (view) => this.change(view));
    this.#listen();
  }

  /** Shows a view that a person chose, and writes it into the address. */
  change(view) {
    history.replaceState(null, "", print(view));
    this.show(view);
  }

  /** Shows a view. */
  show(view) {
    // Closing draws the list again, which must still be the one that its rows are from.
    this.#close();
    this.view = view;
    this.rows = this.filter.rows(view);
    if (view.view === "resources") this.#showResources();
    else this.#showFindings();
    this.choices.show(view);
    const chosen = { several: [...CHOICES, "tag"], single: ["requirement", "resource", "change"], label: (_, value) => value.replaceAll("_", " ") };
    chips(this.at("chips"), view, chosen, (without) => this.change(without));
    if (this.form.elements.q.value.trim() !== view.q.trim()) this.form.elements.q.value = view.q;
    this.form.elements.view.value = view.view || "findings";
    this.form.elements.sort.value = view.sort;
  }

  /** Obeys the address; false where it is about another part of the page. */
  obey(fragment) {
    const wanted = parse(fragment);
    if (!wanted) return false;
    if (wanted.finding) this.#openById(wanted.finding);
    else this.show(wanted.view);
    // On a narrow screen the opened finding is below the list.
    (wanted.finding && this.at("opened").firstChild ? this.at("opened") : this.at("findings")).scrollIntoView();
    return true;
  }

  #showFindings() {
    this.groups = null;
    this.at("rows").className = "rows";
    const headers = ["Verdict", "Resource", "Control", "Account", "Region"].map(columnHeader);
    this.table.show(this.rows.length, headers, (index) => {
      const finding = this.data.finding(this.rows[index]);
      const account = finding.accountName || finding.account;
      const cells = [
        gridCell(badge(finding.verdict), " ", badge(finding.severity), ...waivedMark(finding)),
        gridCell(named(finding.name || finding.arn)),
        gridCell(finding.control.title),
        gridCell(named(account)),
        gridCell(finding.region),
      ];
      return { id: finding.id, cells };
    });
    this.at("matches").value = `${count(this.rows.length, "finding", "findings")} of ${thousands(this.data.size)}`;
  }

  #showResources() {
    const groups = (this.groups = byResource(this.data, this.rows));
    this.at("rows").className = "rows resources";
    const { severities, resources } = this.data.block;
    this.table.show(groups.length, ["Worst", "Resource", "Fail", "Unknown", "Pass"].map(columnHeader), (index) => {
      const { arn, row, counts, worst } = groups[index];
      const name = resources.name[this.data.resource[row]];
      const numbers = counts.slice(0, 3).map((n) => {
        const made = gridCell(thousands(n));
        made.className = "n";
        return made;
      });
      const worstOf = worst === Infinity ? "" : badge(severities[worst]);
      return { id: arn, cells: [gridCell(worstOf), gridCell(named(name || arn)), ...numbers] };
    });
    this.at("matches").value = `${count(groups.length, "resource", "resources")} with ${count(this.rows.length, "finding", "findings")}`;
  }

  #enter(index) {
    if (this.groups) location.hash = ofResource(this.groups[index].arn);
    else this.#open(this.rows[index]);
  }

  #open(row) {
    const finding = this.data.finding(row);
    const detected = this.detections ? detectedOn(this.detections.ofFinding(finding.id), finding.arn) : [];
    const opened = detail(finding, detected, () => this.#close());
    this.at("opened").replaceChildren(opened);
    this.at("opened").closest(".explored").classList.add("has-opened");
    this.table.restore();
    opened.querySelector("h3").focus({ preventScroll: true });
    opened.scrollIntoView({ block: "nearest" });
  }

  #close() {
    if (!this.at("opened").firstChild) return;
    const hadFocus = this.at("opened").contains(document.activeElement);
    this.at("opened").replaceChildren();
    this.at("opened").closest(".explored").classList.remove("has-opened");
    this.table.restore();
    if (hadFocus) this.at("rows").focus();
  }

  #openById(id) {
    const row = this.data.rowOf(id);
    if (row < 0) {
      this.show(usual());
      this.at("matches").value = `0 findings have the id ${id}, or several do; these are ${thousands(this.rows.length)} others`;
      return;
    }
    // A view that leaves the finding out gives way.
    if (this.groups || !this.rows?.includes(row)) this.show(everything());
    this.#open(row);
    this.table.select(this.rows.indexOf(row));
  }

  #listen() {
    let typing;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.at("q").addEventListener("input", ({ target }) => {
      clearTimeout(typing);
      typing = setTimeout(() => this.change({ ...this.view, q: target.value }), TYPING);
    });
    for (const name of ["view", "sort"]) {
      this.form.elements[name].addEventListener("change", ({ target }) => this.change({ ...this.view, [name]: target.value }));
    }
    this.at("reset").addEventListener("click", () => {
      clearTimeout(typing);
      this.at("q").value = "";
      this.change(usual());
    });
    this.at("export").addEventListener("click", () => this.#export());
    this.at("opened").addEventListener("keydown", (event) => event.key === "Escape" && this.#close());
    addEventListener("hashchange", () => this.obey(location.hash));
    addEventListener("beforeprint", () => this.#print());
    addEventListener("afterprint", () => {
      this.at("printed").hidden = true;
      this.table.restore();
    });
  }

  #export() {
    const blob = new Blob([csv(this.data, this.rows)], { type: "text/csv;charset=utf-8" });
    const made = document.createElement("a");
    made.href = URL.createObjectURL(blob);
    made.download = "upright-findings.csv";
    made.click();
    // The download has begun when the click returns, but not every browser has read the address by then.
    setTimeout(() => URL.revokeObjectURL(made.href), 10_000);
  }

  #print() {
    const all = this.groups?.length ?? this.rows.length;
    this.table.all(PRINTED);
    this.at("printed").textContent = `Printed: the first ${thousands(Math.min(PRINTED, all))} of ${thousands(all)} that match.`;
    this.at("printed").hidden = false;
  }
}

/** The block of that id, taken out of the page; null where the page has none. */
function blockOf(id) {
  const block = document.getElementById(id);
  block?.remove();
  return block?.textContent ?? null;
}

/** A mark on what somebody accepts. */
function waivedMark({ waiver }) {
  return waiver && !waiver.ending ? [" ", element("span", "badge manual", "waived")] : [];
}

async function startDetections() {
  const block = blockOf("detections-data");
  if (block === null) return null;
  try {
    const detections = new Detections(await unpacked(block));
    return new DetectionExplorer(detections);
  } catch (error) {
    const message = document.getElementById("detections-error");
    message.textContent = `The detections cannot be shown here (${error.message}). They are in report.json of the same run.`;
    message.hidden = false;
    return null;
  }
}

async function startFindings(detections) {
  const block = blockOf("data");
  // The index of a report that was split has none.
  if (block === null) return null;
  try {
    const data = await decode(block);
    document.getElementById("explorer").hidden = false;
    const explorer = new Explorer(data, detections);
    fillWhenOpened(data);
    if (!explorer.obey(location.hash)) explorer.show(usual());
    return explorer;
  } catch (error) {
    const message = document.getElementById("findings-error");
    message.textContent = `The findings cannot be shown here (${error.message}). Everything is in report.json and in the CSV of the same run.`;
    message.hidden = false;
    return null;
  }
}

async function start() {
  const detected = await startDetections();
  const explorer = await startFindings(detected?.data ?? null);
  // What the lists made of the page moved the place that the address is about.
  detected?.obey(location.hash);
  if (detected || explorer) document.documentElement.dataset.ready = "yes";
}

await start();
