// Sparklines of the last quarter of an hour.

import { one } from "./dom.js";
import { figure, span } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 180;
/** Width of a chart with few points. */
const LEAST = 24;
const SERIES = ["requests", "errors", "sessions", "lookup_ms"];

/** Draws `/history` and the points after it. */
export class Charts {
  #history = null;

  begin(history) {
    this.#history = history;
    this.#draw();
  }

  add(point) {
    if (!this.#history) return;
    for (const name of SERIES) {
      const values = this.#history[name];
      values.push(point[name]);
      values.splice(0, values.length - MOST);
    }
    this.#draw();
  }

  #draw() {
    const seconds = this.#history.step_ms / 1000;
    for (const name of SERIES) {
      const chart = one(`[data-series=${name}]`);
      const values = this.#history[name];
      line(one("svg", chart), values);
      one(".axis", chart).replaceChildren(...axis(name, values, seconds));
      const last = values.findLast((value) => value != null) ?? null;
      one("output", chart).textContent = says(name, last, seconds);
    }
  }
}

function says(name, last, seconds) {
  if (last == null) return "–";
  if (name === "lookup_ms") return span(last);
  return name === "sessions" ? figure(last) : `${figure(last / seconds)} /s`;
}

/** From when to when, and the peak between. */
function axis(name, values, seconds) {
  const known = values.filter((value) => value != null);
  const peak = known.length ? says(name, Math.max(...known), seconds) : "–";
  const minutes = (Math.max(values.length, LEAST) * seconds) / 60;
  const words = [`${figure(minutes)} min ago`, `peak ${peak}`, "now"];
  return words.map((text) => Object.assign(document.createElement("span"), { textContent: text }));
}

/** Gaps stay gaps: a step without lookups is not one of fast lookups. */
function line(svg, values) {
  const top = Math.max(1, ...values.filter((value) => value != null)) * 1.08;
  const width = Math.max(LEAST, values.length);
  const from = width - values.length;
  svg.setAttribute("viewBox", `0 0 ${width - 1} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  let over = "";
  let under = "";
  let start = null;
  values.forEach((value, n) => {
    const x = from + n;
    if (value != null) {
      const y = (100 - (value / top) * 96 - 2).toFixed(1);
      over += `${start === null ? "M" : "L"}${x} ${y}`;
      under += start === null ? `M${x} 100L${x} ${y}` : `L${x} ${y}`;
      start ??= x;
    }
    const ends = start !== null && (value == null || n === values.length - 1);
    if (ends) {
      under += `L${value == null ? x - 1 : x} 100Z`;
      start = null;
    }
  });
  svg.replaceChildren(path(under, "under"), path(over, ""));
}

function path(d, name) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("d", d);
  element.setAttribute("class", name);
  return element;
}
