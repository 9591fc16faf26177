// The test card as a stream, with a beep each second.

import { drawCard } from "./card.js";

const FRAMES = 30;

export function generated(note) {
  const canvas = document.createElement("canvas");
  canvas.width = 960;
  canvas.height = 540;
  const pen = canvas.getContext("2d", { alpha: false });
  let frame = 0;
  const draw = () => drawCard(pen, canvas.width, canvas.height, new Date(), (frame += 1));
  draw();
  // Not requestAnimationFrame, which rests while the tab is hidden.
  const timer = setInterval(draw, 1000 / FRAMES);
  const stream = canvas.captureStream(FRAMES);
  // Sharp from the first second: a clock that cannot be read is of no use.
  for (const track of stream.getVideoTracks()) track.contentHint = "detail";
  const { track, close } = tone();
  stream.addTrack(track);
  return {
    stream,
    note,
    stop() {
      clearInterval(timer);
      for (const each of stream.getTracks()) each.stop();
      close();
    },
  };
}

/** A soft 440 Hz beep each second: enough to hear that sound arrives, and when. */
function tone() {
  const context = new AudioContext();
  const oscillator = context.createOscillator();
  const volume = context.createGain();
  const out = context.createMediaStreamDestination();
  oscillator.frequency.value = 440;
  volume.gain.value = 0;
  oscillator.connect(volume).connect(out);
  oscillator.start();
  const beep = () => {
    const at = context.currentTime;
    volume.gain.setTargetAtTime(0.2, at, 0.01);
    volume.gain.setTargetAtTime(0, at + 0.12, 0.03);
  };
  const timer = setInterval(beep, 1000);
  return {
    track: out.stream.getAudioTracks()[0],
    close() {
      clearInterval(timer);
      context.close();
    },
  };
}
