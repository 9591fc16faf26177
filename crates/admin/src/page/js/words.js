// Numbers, sizes, rates and times as short text.

const UNITS = ["B", "kB", "MB", "GB", "TB"];
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** A number with its significant digits. */
export const figure = (value) => (value < 10 ? tenths : whole).format(value);

/** A size, in decimal units. Null is an unknown one. */
export function bytes(value) {
  if (value == null) return "–";
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(value) : figure(value)} ${UNITS[unit]}`;
}

/** Bits per second. */
export function rate(value) {
  if (value == null) return "–";
  if (value < 1000) return `${whole.format(value)} bit/s`;
  return value < 1e6 ? `${figure(value / 1e3)} kbit/s` : `${figure(value / 1e6)} Mbit/s`;
}

/** A duration in milliseconds, in its two largest units. */
export function span(ms) {
  if (ms == null) return "–";
  if (ms < 1000) return `${figure(Math.max(ms, 0))} ms`;
  const s = Math.floor(ms / 1000);
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${s % 60} s` : `${s} s`;
}

/** The time of day. */
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB");

/** `one` or `many` of them. */
export const count = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;
