// The steps of one attempt and the time each took, drawn as a small waterfall.

export class Steps {
  /** @param {HTMLOListElement} list */
  constructor(list) {
    this.list = list;
    this.reset();
  }

  reset() {
    this.zero = performance.now();
    this.steps = [];
    this.list.replaceChildren();
  }

  /** Milliseconds since the attempt began. */
  now() {
    return performance.now() - this.zero;
  }

  /** Runs `work` as a step. `note` says what goes over the wire. */
  async run(name, note, work) {
    const step = this.begin(name, note);
    try {
      const result = await work();
      this.finish(step);
      return result;
    } catch (error) {
      this.finish(step, true);
      throw error;
    }
  }

  /** Something that happened later, on its own: its moment, outside the waterfall. */
  mark(name, note) {
    const { row } = this.begin(name, note);
    this.steps.pop();
    row.dataset.state = "done";
    row.querySelector(".bar").remove();
    row.querySelector(".time").textContent = `after ${milliseconds(this.now())}`;
  }

  begin(name, note) {
    const row = document.createElement("li");
    row.append(part("name", name), part("note", note), part("bar", ""), part("time", "…"));
    row.dataset.state = "running";
    this.list.append(row);
    const step = { row, from: this.now(), to: null };
    this.steps.push(step);
    return step;
  }

  finish(step, failed = false) {
    if (step.to !== null) return;
    step.to = this.now();
    step.row.dataset.state = failed ? "failed" : "done";
    step.row.querySelector(".time").textContent = failed ? "failed" : milliseconds(step.to - step.from);
    this.draw();
  }

  /** Ends what still runs, for an attempt that was stopped. */
  abandon() {
    for (const step of this.steps) {
      if (step.to !== null) continue;
      step.to = this.now();
      step.row.dataset.state = "abandoned";
      step.row.querySelector(".time").textContent = "stopped";
    }
    this.draw();
  }

  draw() {
    const whole = Math.max(1, ...this.steps.map((step) => step.to ?? 0));
    for (const { row, from, to } of this.steps) {
      row.style.setProperty("--from", (from / whole).toFixed(4));
      row.style.setProperty("--span", (((to ?? whole) - from) / whole).toFixed(4));
    }
  }
}

function part(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  if (name === "bar") span.setAttribute("aria-hidden", "true");
  return span;
}

/** A time for people. */
export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return value < 1 ? "< 1 ms" : `${Math.round(value)} ms`;
}
