// Glass to glass: how old the picture is when it is shown, read from the test card's strip in the picture itself.

import { age, read, reader } from "./strip.js";

/** Between two readings, in ms: often enough for a median each second, and cheap. */
const EACH = 100;
const READINGS = 15;
const ENOUGH = 5;

/** Watches a video; `tell(milliseconds)` gets the median of the last readings. Returns how to stop. */
export function latency(video, tell) {
  if (!video.requestVideoFrameCallback) return () => {};
  const pen = reader();
  const found = [];
  let [last, handle] = [0, 0];
  const look = (now) => {
    handle = video.requestVideoFrameCallback(look);
    if (now - last < EACH || !video.videoWidth) return;
    last = now;
    const strip = read(pen, video, video.videoWidth, video.videoHeight);
    const passed = strip === null ? null : age(Date.now(), strip);
    if (passed === null) return;
    found.push(passed);
    if (found.length > READINGS) found.shift();
    if (found.length >= ENOUGH) tell(median(found));
  };
  handle = video.requestVideoFrameCallback(look);
  return () => video.cancelVideoFrameCallback(handle);
}

/** The middle one of some numbers. */
export function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}
