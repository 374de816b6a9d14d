// Reads the page's export strictly as RFC 4180 says: what a lenient reader forgives is an error here.

import assert from "node:assert/strict";

/// The rows as objects, by the names of the first row.
export function parseCsv(text) {
  const [names, ...rows] = records(text.replace(/^\ufeff/, ""));
  assert.equal(new Set(names).size, names.length, `a column is there twice: ${names}`);
  return rows.map((cells, index) => {
    assert.equal(cells.length, names.length, `row ${index + 2} has ${cells.length} cells, not ${names.length}`);
    return Object.fromEntries(names.map((name, column) => [name, cells[column]]));
  });
}

function records(text) {
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|$)/y;
  const all = [];
  let row = [];
  while (cell.lastIndex < text.length) {
    const at = cell.lastIndex;
    const found = cell.exec(text);
    assert.ok(found, `no cell at character ${at}: ${JSON.stringify(text.slice(at, at + 60))}`);
    row.push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
    if (found[3] !== ",") {
      all.push(row);
      row = [];
    }
  }
  assert.deepEqual(row, [], "the last row is not ended");
  return all;
}
