// What is published: the camera, the screen, or a test card and tone made here.

import { generated } from "./generated.js";
import { opened } from "./devices.js";
import { Trouble } from "./trouble.js";

const FRAMES = 30;

/**
 * Opens the source asked for. Without a camera the test card stands in, and `note` says so.
 * @param {{source: "camera" | "screen" | "generated", camera: string, microphone: string}} wanted
 * @returns {Promise<{stream: MediaStream, note: string, stop: () => void}>}
 */
export async function openSource({ source, camera, microphone }) {
  if (source === "generated") return generated("");
  if (!navigator.mediaDevices) {
    return generated("Browsers give a page camera and screen over https or on localhost only. The test card stands in.");
  }
  if (source === "screen") return screen(microphone);
  try {
    return await fromCamera(camera, microphone);
  } catch (error) {
    return generated(`${noCamera(error)} The test card stands in.`);
  }
}

async function fromCamera(camera, microphone) {
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: FRAMES }, ...exactly(camera) };
  const audio = microphone ? exactly(microphone) : true;
  const stream = await navigator.mediaDevices.getUserMedia({ video, audio }).catch((error) => {
    // A camera without a microphone is still a camera.
    if (error.name === "NotFoundError") return navigator.mediaDevices.getUserMedia({ video });
    throw error;
  });
  opened();
  return { stream, note: "", stop: () => stop(stream) };
}

/** The screen with its own sound, or else with the microphone's. */
async function screen(microphone) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: FRAMES } }, audio: true });
  } catch (error) {
    throw new Trouble("No screen was chosen", { detail: error.name === "NotAllowedError" ? "" : error.message, hint: "Press Publish to choose one.", final: true });
  }
  if (stream.getAudioTracks().length === 0) {
    const voice = await navigator.mediaDevices.getUserMedia({ audio: microphone ? exactly(microphone) : true }).catch(() => null);
    for (const track of voice?.getTracks() ?? []) stream.addTrack(track);
  }
  return { stream, note: "", stop: () => stop(stream) };
}

const exactly = (deviceId) => (deviceId ? { deviceId: { exact: deviceId } } : {});

function noCamera(error) {
  switch (error.name) {
    case "NotAllowedError": return "The camera was not allowed.";
    case "NotFoundError": return "No camera was found.";
    case "OverconstrainedError": return "That camera or microphone is not there any more.";
    case "NotReadableError": return "The camera is in use elsewhere.";
    default: return "The camera could not be opened.";
  }
}

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}
