// Elements. Text is inserted as text only: clients choose the names of streams.

export const one = (selector, within = document) => within.querySelector(selector);

/** An element with these properties and children. */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** A definition list of `[term, text, tone]`. */
export function define(list, pairs) {
  const rows = pairs.flatMap(([term, text, tone]) => {
    const value = make("dd", { textContent: text });
    if (tone) value.dataset.tone = tone;
    return [make("dt", { textContent: term }), value];
  });
  list.replaceChildren(...rows);
}

/**
 * The rows of a table. Each row is `{ key, cells: [{ text, is, tone }], button }`; rows that stay keep their elements, so
 * that a focus or a selection in them lives through a refresh.
 */
export function fill(table, rows, empty) {
  const [body] = table.tBodies;
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  if (rows.length === 0) {
    body.replaceChildren(make("tr", {}, make("td", { className: "empty", colSpan: labels.length, textContent: empty })));
    return;
  }
  const before = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const after = rows.map(({ key, cells, button }) => {
    const row = before.get(key) ?? blank(key, cells.length, button);
    cells.forEach(({ text, is = "", tone = "" }, n) => {
      const cell = row.cells[n];
      if (cell.textContent !== text) cell.textContent = text;
      cell.className = is;
      cell.dataset.label = labels[n];
      cell.dataset.tone = tone;
    });
    return row;
  });
  const same = after.length === body.rows.length && after.every((row, n) => row === body.rows[n]);
  if (!same) body.replaceChildren(...after);
}

function blank(key, cells, button) {
  const row = make("tr", {}, ...Array.from({ length: cells }, () => make("td")));
  row.dataset.key = key;
  if (button) {
    const press = make("button", { type: "button", className: "quiet", textContent: button.text, onclick: button.press });
    press.setAttribute("aria-label", button.label);
    row.append(make("td", { className: "do" }, press));
  }
  return row;
}
