"""A WHIP or WHEP client on aiortc: `aiortc_client.py publish|play URL`.

aiortc is the WebRTC of it, as it is; what goes over HTTP is RFC 9725 and draft-ietf-wish-whep, and no more. A player says
`playing` when enough frames of sound and picture have been decoded. It ends when its standard input does.
"""

import asyncio
import sys
import urllib.error
import urllib.parse
import urllib.request

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

ENOUGH = 20
# No bundle policy: with `max-bundle` aiortc 1.16.0 takes candidates of the last track of an answer only, and a node writes
# them to the first (RFC 9143 §7.1.3).
CONFIGURATION = RTCConfiguration(iceServers=[])

# No packet leaves the machine: aioice takes every interface but loopback, and here it is the other way round.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


async def ask(method, url, sdp=None):
    """One request; its status, header and text, whatever the status."""

    def send():
        headers = {"Content-Type": "application/sdp"} if sdp else {}
        body = sdp.encode() if sdp else None
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers, refusal.read().decode()

    return await asyncio.to_thread(send)


async def offer(peer, url):
    """Sends this peer's offer, with all its candidates; what it was told, and the URL of its session."""
    await peer.setLocalDescription(await peer.createOffer())
    status, headers, text = await ask("POST", url, peer.localDescription.sdp)
    if status not in (201, 406) or headers.get_content_type() != "application/sdp":
        sys.exit(f"POST: {status} {text}")
    return status, text, urllib.parse.urljoin(url, headers["Location"])


async def publish(url):
    peer = RTCPeerConnection(CONFIGURATION)
    for track in (AudioStreamTrack(), VideoStreamTrack()):
        peer.addTransceiver(track, direction="sendonly")
    _, answer, session = await offer(peer, url)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return peer, session


async def play(url):
    peer = player()
    for kind in ("audio", "video"):
        peer.addTransceiver(kind, direction="recvonly")
    status, text, session = await offer(peer, url)
    if status == 201:
        await peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
        return peer, session
    # The counter-offer; an offer that was made cannot be taken back in aiortc.
    await peer.close()
    peer = player()
    await peer.setRemoteDescription(RTCSessionDescription(text, "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    status, _, text = await ask("PATCH", session, peer.localDescription.sdp)
    if status != 204:
        sys.exit(f"PATCH: {status} {text}")
    return peer, session


def player():
    peer = RTCPeerConnection(CONFIGURATION)
    kinds, counting = set(), set()

    async def count(track):
        try:
            for _ in range(ENOUGH):
                await track.recv()
        except MediaStreamError:
            return
        kinds.add(track.kind)
        if len(kinds) == 2:
            print("playing", flush=True)

    # asyncio keeps only a weak reference to a task.
    peer.on("track", lambda track: counting.add(asyncio.ensure_future(count(track))))
    return peer


async def main(role, url):
    peer, session = await {"publish": publish, "play": play}[role](url)
    await asyncio.to_thread(sys.stdin.read)
    status, _, text = await ask("DELETE", session)
    await peer.close()
    if status != 200:
        sys.exit(f"DELETE: {status} {text}")


asyncio.run(main(*sys.argv[1:]))
