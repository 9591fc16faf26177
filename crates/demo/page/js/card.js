// The test card: colour bars, a stitched seam that runs, a clock for eyes, and the strip from which a player reads the
// delay.

import { draw as drawStrip } from "./strip.js";

const BARS = ["#f4efe6", "#e8c468", "#6cb6b0", "#7fa86a", "#b58bb0", "#c9694f", "#3f5f8f"];
const INK = "#14343b";
const THREAD = "#f2a65a";

/** Draws one frame. */
export function drawCard(pen, width, height, time, frame) {
  const seam = height * 0.3;
  const bar = width / BARS.length;
  BARS.forEach((colour, at) => {
    pen.fillStyle = colour;
    pen.fillRect(Math.floor(at * bar), 0, Math.ceil(bar), seam);
  });
  pen.fillStyle = INK;
  pen.fillRect(0, seam, width, height - seam);
  stitches(pen, width, seam, frame);
  dial(pen, width * 0.2, height * 0.65, height * 0.2, time);
  words(pen, width, height, time, frame);
  drawStrip(pen, width, height, time.getTime());
}

function stitches(pen, width, y, frame) {
  const gap = width / 24;
  pen.strokeStyle = THREAD;
  pen.lineWidth = width / 120;
  pen.lineCap = "round";
  pen.beginPath();
  for (let x = -gap + ((frame * 2) % gap); x < width + gap; x += gap) {
    pen.moveTo(x, y + gap * 0.42);
    pen.lineTo(x + gap * 0.42, y - gap * 0.42);
  }
  pen.stroke();
}

/** A hand that goes round once a second. */
function dial(pen, x, y, radius, time) {
  const turn = (time.getMilliseconds() / 1000) * 2 * Math.PI - Math.PI / 2;
  pen.lineWidth = radius / 9;
  pen.strokeStyle = "rgb(244 239 230 / 18%)";
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.stroke();
  pen.strokeStyle = THREAD;
  pen.beginPath();
  pen.arc(x, y, radius, -Math.PI / 2, turn);
  pen.stroke();
}

function words(pen, width, height, time, frame) {
  const two = (number) => String(number).padStart(2, "0");
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  const x = width * 0.36;
  pen.fillStyle = "#f4efe6";
  pen.textBaseline = "alphabetic";
  pen.font = `600 ${height * 0.17}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
  pen.fillText(clock, x, height * 0.69);
  pen.fillStyle = "rgb(244 239 230 / 62%)";
  pen.font = `${height * 0.058}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
  pen.fillText(`.${String(time.getMilliseconds()).padStart(3, "0")}   frame ${frame}`, x, height * 0.79);
}
