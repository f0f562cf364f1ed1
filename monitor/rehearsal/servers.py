"""Real servers at the points, as far as they are installed: kamailio for the codecs' SIP, nginx and ffmpeg for streams.

One process stands for all points: every address of the points' side is local (AnyIP). Their files and command lines.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from monitor.rehearsal import enclosure, upses
from probes.model import Check

SIP, HLS = "sip", "hls"
SIP_PORT = 5060
BROADCAST = "http://10.38.0.10:8088/live/broadcast.m3u8"
"""Where the sample has the broadcast that every point watches."""
BROADCAST_LISTENS = "10.38.0.10:8088"
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
RTMP_MODULES = (
    Path("/usr/lib/nginx/modules/ngx_rtmp_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_rtmp_module.so"),
)

KAMAILIO = """\
debug=0
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
listen=tcp:0.0.0.0:{port}
loadmodule "sl.so"
request_route {{ sl_send_reply("200", "OK"); }}
"""
"""Over TCP, where the answer comes from the address that was asked; over UDP that is the kernel's choice."""

NGINX = """\
load_module {module};
user root;
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
rtmp {{
    server {{
        access_log off;
        listen 127.0.0.1:1935;
        application live {{ live on; hls on; hls_path {folder}/live; hls_fragment 2s; hls_playlist_length 12s; }}
    }}
}}
http {{
    access_log off;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{ listen {listens}; location /live/ {{ root {folder}; add_header Cache-Control no-cache; }} }}
}}
"""
STREAM = (
    *("-nostdin", "-v", "warning", "-re", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10"),
    *("-re", "-f", "lavfi", "-i", "sine=frequency=440"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "20"),
    *("-threads", "1", "-c:a", "aac", "-b:a", "32k", "-f", "flv", "rtmp://127.0.0.1/live/broadcast"),
)
LATER = 'sleep 2; exec "$@"'
"""The stream can be published once nginx listens."""


class Program(NamedTuple):
    """What is to be started in the points' namespace."""

    name: str
    command: Sequence[str]


class Server(NamedTuple):
    """Programs that answer one kind of probe."""

    called: str
    there: Callable[[], bool]
    programs: Callable[[Path], Iterator[Program]]
    """Given a directory for their files."""


def find(name: str) -> str | None:
    """The program's path, be it one of the administrator's; None when it is not installed."""
    return shutil.which(name) or shutil.which(name, path=PLACES)


def _kamailio(scratch: Path) -> Iterator[Program]:
    folder = _folder(scratch, "kamailio")
    config = folder / "kamailio.cfg"
    config.write_text(KAMAILIO.format(port=SIP_PORT), encoding="utf-8")
    options = ("-f", config, "-DD", "-E", "-m", 16, "-M", 4, "-Y", folder, "-P", folder / "pid", "-w", folder)
    command = (sys.executable, "-m", enclosure.__name__, find("kamailio"), *options)
    yield Program("kamailio/kamailio", tuple(map(str, command)))


def _broadcast(scratch: Path) -> Iterator[Program]:
    folder = _folder(scratch, "broadcast")
    (folder / "live").mkdir()
    module = next(path for path in RTMP_MODULES if path.exists())
    text = NGINX.format(module=module, listens=BROADCAST_LISTENS, folder=folder)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    yield Program("broadcast/nginx", (find("nginx") or "", "-p", str(folder), "-c", "nginx.conf"))
    yield Program("broadcast/ffmpeg", ("/bin/sh", "-c", LATER, "publish", find("ffmpeg") or "", *STREAM))


def _folder(scratch: Path, name: str) -> Path:
    folder = scratch / name
    folder.mkdir()
    return folder


def _streams_there() -> bool:
    return bool(find("nginx") and find("ffmpeg")) and any(path.exists() for path in RTMP_MODULES)


SERVERS = {
    SIP: Server("kamailio", lambda: find("kamailio") is not None, _kamailio),
    HLS: Server("nginx with its RTMP module and ffmpeg", _streams_there, _broadcast),
    upses.KIND: Server(
        "upsd with dummy-ups, started by root,", lambda: upses.find() is not None, lambda _scratch: iter(())
    ),
}
"""By the kind of probe that they answer. ``upses`` starts its own, for it has more to say to them."""


def answered() -> frozenset[str]:
    """The kinds whose servers are installed."""
    return frozenset(kind for kind, server in SERVERS.items() if server.there())


def programs(checks: Iterable[Check], scratch: Path) -> Iterator[Program]:
    """All that is needed for what is asked."""
    for kind in sorted({check.probe.kind for check in checks} & SERVERS.keys()):
        yield from SERVERS[kind].programs(scratch)
