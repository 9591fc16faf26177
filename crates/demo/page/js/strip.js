// The time as a strip of black and white cells: drawn into the test card, read out of the picture that arrives.
//
// 32 cells: white, black; 20 bits of milliseconds, the highest first; 8 bits of CRC; black, white. The outer ones say
// what white and black have become on the way, the CRC refuses a strip that was blurred or torn.

const CELLS = 32;
const BITS = 20;
const CRC = 8;
/** The strip's share of the picture's height, at its lower edge. */
const SHARE = 1 / 18;
/** Milliseconds after which the count begins anew: 17 minutes. */
const ROUND = 2 ** BITS;
/** An older picture is none: the clocks of two machines differ. */
const OLDEST = 60_000;
/** What is measured of each cell, and the least difference of white and black, of 255. */
const CELL = 10;
const ROWS = 8;
const CONTRAST = 60;

/** The cells for a time; true is white. */
export function encode(time) {
  const value = Math.floor(time) % ROUND;
  return [true, false, ...bits(value, BITS), ...bits(checksum(value), CRC), false, true];
}

/** Milliseconds of 32 brightnesses, or null if they are no strip. */
export function decode(levels) {
  const [white, black] = [(levels[0] + levels[CELLS - 1]) / 2, (levels[1] + levels[CELLS - 2]) / 2];
  if (white - black < CONTRAST) return null;
  const shares = levels.map((level) => (level - black) / (white - black));
  if (shares.some((share) => share > 0.3 && share < 0.7)) return null; // two frames in one, or a blur
  const read = shares.map((share) => share > 0.5);
  const number = (from, count) => read.slice(from, from + count).reduce((sum, bit) => sum * 2 + Number(bit), 0);
  const value = number(2, BITS);
  return number(2 + BITS, CRC) === checksum(value) ? value : null;
}

/** How old a picture with this strip is at `now`; null if that cannot be. */
export function age(now, strip) {
  const passed = (((Math.floor(now) - strip) % ROUND) + ROUND) % ROUND;
  return passed < OLDEST ? passed : null;
}

export function draw(pen, width, height, time) {
  const top = Math.round(height * (1 - SHARE));
  encode(time).forEach((white, at) => {
    const [from, to] = [Math.round((at * width) / CELLS), Math.round(((at + 1) * width) / CELLS)];
    pen.fillStyle = white ? "#fff" : "#000";
    pen.fillRect(from, top, to - from, height - top);
  });
}

/** Reads the strip of a picture of this size, by way of a small canvas. */
export function read(pen, picture, width, height) {
  const strip = height * SHARE;
  pen.drawImage(picture, 0, height - strip, width, strip, 0, 0, CELLS * CELL, ROWS);
  const { data } = pen.getImageData(0, 0, CELLS * CELL, ROWS);
  return decode(Array.from({ length: CELLS }, (_, cell) => level(data, cell)));
}

/** A canvas for `read`. */
export function reader() {
  const canvas = document.createElement("canvas");
  canvas.width = CELLS * CELL;
  canvas.height = ROWS;
  return canvas.getContext("2d", { alpha: false, willReadFrequently: true });
}

/** The middle of a cell: its edges are blurred by scaling and compression. */
function level(data, cell) {
  let sum = 0;
  let count = 0;
  for (let y = 2; y < ROWS - 2; y += 1) {
    for (let x = cell * CELL + 3; x < (cell + 1) * CELL - 3; x += 1) {
      sum += data[(y * CELLS * CELL + x) * 4 + 1]; // green carries most of the brightness
      count += 1;
    }
  }
  return sum / count;
}

function bits(value, count) {
  return Array.from({ length: count }, (_, at) => Boolean((value >> (count - 1 - at)) & 1));
}

/** CRC-8 with the polynomial 0x07. The first value is not 0, or a black strip would be a time. */
function checksum(value) {
  let crc = 0xa5;
  for (const byte of [(value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : (crc << 1) & 0xff;
  }
  return crc;
}
