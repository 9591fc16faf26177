// What is published: the camera, or a test card and tone made here.

import { drawCard } from "./card.js";

const FRAMES = 30;

/**
 * Opens the source asked for. Without a camera the test card stands in, and `note` says so.
 * @param {"camera" | "generated"} wanted
 * @returns {Promise<{stream: MediaStream, note: string, stop: () => void}>}
 */
export async function openSource(wanted) {
  if (wanted === "generated") return generated("");
  if (!navigator.mediaDevices) {
    return generated("Browsers give a page the camera over https or on localhost only. The test card stands in.");
  }
  try {
    return await camera();
  } catch (error) {
    return generated(`${noCamera(error)} The test card stands in.`);
  }
}

async function camera() {
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: FRAMES } };
  const stream = await navigator.mediaDevices.getUserMedia({ video, audio: true }).catch((error) => {
    // A camera without a microphone is still a camera.
    if (error.name === "NotFoundError") return navigator.mediaDevices.getUserMedia({ video });
    throw error;
  });
  return { stream, note: "", stop: () => stop(stream) };
}

function noCamera(error) {
  switch (error.name) {
    case "NotAllowedError": return "The camera was not allowed.";
    case "NotFoundError": return "No camera was found.";
    case "NotReadableError": return "The camera is in use elsewhere.";
    default: return "The camera could not be opened.";
  }
}

function generated(note) {
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
      stop(stream);
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

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}
