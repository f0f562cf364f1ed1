"""An RTSP server of GStreamer's, run by Debian's own Python: ``gst_rtsp_server.py --port 8554 [--auth user:password]``.

Mounts ``/live``, H.264 and G.711 as a camera sends them, and prints a line when it listens. What is wrong with them may
be chosen: ``--pattern black``, ``--frozen`` (one picture again and again), ``--audio silence`` or ``--audio none``.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ANYBODY = "anybody"
MOVING = "videotestsrc is-live=true pattern={} ! video/x-raw,width=320,height=180,framerate=15/1 "
FROZEN = (
    "videotestsrc num-buffers=1 pattern={} ! video/x-raw,width=320,height=180,framerate=15/1 "
    "! imagefreeze is-live=true ! video/x-raw,framerate=15/1 "
)
H264 = "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96 "
G711 = (
    "audiotestsrc is-live=true wave={} ! audio/x-raw,rate=8000,channels=1 "
    "! audioconvert ! alawenc ! rtppcmapay name=pay1 pt=8 "
)
SOUNDS = {"tone": G711.format("sine"), "silence": G711.format("silence"), "none": ""}


def launch(pattern: str, sound: str, *, frozen: bool) -> str:
    """The pipeline of a stream."""
    return f"( {(FROZEN if frozen else MOVING).format(pattern)}{H264}{SOUNDS[sound]})"


def authentication(said: str, *, digest: bool) -> GstRtspServer.RTSPAuth:
    """Who may look."""
    user, _, password = said.partition(":")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    if digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    return auth


def anybody() -> GstRtspServer.RTSPAuth:
    """Whoever asks may look, without a password."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ANYBODY)
    auth.set_default_token(token)
    return auth


def permit(factory: GstRtspServer.RTSPMediaFactory, role: str) -> None:
    """Let a role see the stream."""
    permissions = GstRtspServer.RTSPPermissions()
    for name in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role(role, name, True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--auth", default="", help="user:password")
    parser.add_argument("--basic", action="store_true")
    parser.add_argument("--certificate", default="", help="PEM of certificate and key: serve RTSPS")
    parser.add_argument("--pattern", default="smpte", help="of videotestsrc: smpte, ball, black, white, snow ...")
    parser.add_argument("--frozen", action="store_true", help="one picture again and again")
    parser.add_argument("--audio", default="tone", choices=SOUNDS)
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch(options.pattern, options.audio, frozen=options.frozen))
    factory.set_shared(False)
    auth = None
    if options.auth:
        auth = authentication(options.auth, digest=not options.basic)
        permit(factory, options.auth.partition(":")[0])
    if options.certificate:
        auth = auth or anybody()
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.certificate))
        if not options.auth:
            permit(factory, ANYBODY)
    if auth is not None:
        server.set_auth(auth)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        raise SystemExit("cannot listen")
    print("listening", flush=True)  # noqa: T201
    GLib.MainLoop().run()


main()
