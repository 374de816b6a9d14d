// Remediation with the resource's own name in it. The same as src/report/remediation.rs, which says what is
// quoted and what is left to a person; both are held to the cases in tests/fixtures/remediation.json.

import { hides } from "./printable.mjs";

const PLACEHOLDERS = ["${name}", "${arn}", "${region}", "${account}"];

/** Fills a command line for a POSIX shell: `{ text, byHand }`. */
export function command(template, values) {
  return fill(template, values, new Shell());
}

/** Fills a Terraform setting: `{ text, byHand }`. */
export function terraform(template, values) {
  return fill(template, values, new Terraform());
}

function fill(template, values, language) {
  const byHand = [];
  let text = "";
  for (let at = 0; at < template.length; ) {
    const placeholder = PLACEHOLDERS.find((one) => template.startsWith(one, at));
    const before = template.slice(0, at);
    if (placeholder) {
      const value = valueOf(placeholder, values);
      const written = value === "" ? null : language.write(before, value);
      if (written === null && !byHand.includes(placeholder)) byHand.push(placeholder);
      text += written ?? placeholder;
      at += placeholder.length;
    } else {
      const length = language.step(before, template.slice(at));
      text += template.slice(at, at + length);
      at += length;
    }
  }
  return { text, byHand };
}

function valueOf(placeholder, values) {
  const value = values[placeholder.slice(2, -1)] ?? "";
  return placeholder === "${region}" && value === "global" ? "" : value;
}

function isPlain(value) {
  return /^[A-Za-z0-9_./:@+=,-]*$/.test(value) && !value.endsWith("\n");
}

function hereDocument(rest) {
  const word = /^<<[-~]*[ \t]*([^\s;&|<>()]*)/.exec(rest)?.[1].replace(/['"\\]/g, "");
  return word || null;
}

function endOfHereDocument(before, rest, end) {
  const line = rest.split("\n", 1)[0];
  return before.endsWith("\n") && line.replace(/^[ \t]+|[ \t]+$/g, "") === end ? line.length : 0;
}

/** A character by its number, with four or eight digits. */
function digits(c) {
  const code = c.codePointAt(0);
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

class Shell {
  state = "bare";
  pending = null;

  step(before, rest) {
    const first = rest[0];
    if (this.state === "bare") return this.#bare(before, rest, first);
    if ((this.state === "double" || this.state === "dollar") && first === "\\") return 2;
    if ((this.state === "single" || this.state === "dollar") && first === "'") this.state = "bare";
    else if (this.state === "double" && first === '"') this.state = "bare";
    else if (this.state === "comment" && first === "\n") this.#endLine();
    else if (this.state === "here") {
      const length = endOfHereDocument(before, rest, this.end);
      if (length > 0) {
        this.state = "bare";
        return length;
      }
    }
    return 1;
  }

  #bare(before, rest, first) {
    if (first === "\\") return 2;
    if (first === "'") this.state = "single";
    else if (first === '"') this.state = "double";
    else if (first === "#" && startsWord(before)) this.state = "comment";
    else if (rest.startsWith("$'")) {
      this.state = "dollar";
      return 2;
    } else if (rest.startsWith("<<<")) return 3;
    else if (first === "<" && hereDocument(rest)) {
      this.pending = hereDocument(rest);
      return 2;
    } else if (first === "\n") this.#endLine();
    return 1;
  }

  #endLine() {
    this.state = this.pending ? "here" : "bare";
    this.end = this.pending;
    this.pending = null;
  }

  write(before, value) {
    const isArgument = this.state !== "comment" && this.state !== "here";
    if (isArgument && startsWord(before.replace(/['"]+$/, "")) && /^(-|fileb?:\/\/|https?:\/\/)/.test(value)) return null;
    if (isPlain(value)) return value;
    return this.state === "bare" ? quoted(value) : null;
  }
}

function startsWord(before) {
  return before === "" || /[ \t\n\f\r=;&|()`]$/.test(before);
}

function quoted(value) {
  if (!hides(value)) return `'${value.replaceAll("'", "'\\''")}'`;
  const escaped = Array.from(value, (c) => {
    if (c === "\\" || c === "'") return `\\${c}`;
    if (!hides(c)) return c;
    const code = c.codePointAt(0);
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : digits(c);
  });
  return `$'${escaped.join("")}'`;
}

class Terraform {
  state = "bare";
  pending = null;

  step(before, rest) {
    const first = rest[0];
    if (this.state === "bare") this.#bare(rest, first);
    else if (this.state === "quoted") {
      // `$${` is how Terraform writes `${` itself, and no placeholder.
      if (rest.startsWith("$${")) return 3;
      if (first === "\\") return 2;
      if (first === '"') this.state = "bare";
    } else if (this.state === "comment" && first === "\n") this.#endLine();
    else if (this.state === "block" && rest.startsWith("*/")) {
      this.state = "bare";
      return 2;
    } else if (this.state === "here") {
      const length = endOfHereDocument(before, rest, this.end);
      if (length > 0) {
        this.state = "bare";
        return length;
      }
    }
    return 1;
  }

  #bare(rest, first) {
    if (first === '"') this.state = "quoted";
    else if (first === "#" || rest.startsWith("//")) this.state = "comment";
    else if (rest.startsWith("/*")) this.state = "block";
    else if (first === "<") this.pending = hereDocument(rest) ?? this.pending;
    else if (first === "\n") this.#endLine();
  }

  #endLine() {
    this.state = this.pending ? "here" : "bare";
    this.end = this.pending;
    this.pending = null;
  }

  write(_before, value) {
    if (isPlain(value)) return value;
    if (this.state !== "quoted") return null;
    return Array.from(value.replace(/[\\"]/g, "\\$&").replace(/([$%])(?=\{)/g, "$1$1"), (c) => (hides(c) ? digits(c) : c)).join("");
  }
}
