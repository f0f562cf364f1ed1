"""Two network namespaces without a name, the points' and the centre's, and the TUN device at each end.

Moves the calling process in. Nothing has a name in the file system and nothing outlives the processes inside, so even
``kill -9`` leaves no namespace, device or route behind. The centre's every route leads into its TUN device, and on the
points' side every address is local (AnyIP): no packet can leave the machine, whatever the inventory says.
See unshare(2), user_namespaces(7), Documentation/networking/tuntap.rst, ip-route(8) "local".
"""

import ctypes
import fcntl
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWPID = 0x4000_0000, 0x1000_0000, 0x2000_0000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000
TUN_DEVICE = "/dev/net/tun"

CENTRE, CENTRE_V6 = "10.37.255.1", "fd37::1"
"""The monitor's own address; the points answer to it."""
QUEUE_PACKETS = 20_000
"""A burst waits in the device for the forwarder; the default of 500 would lose part of a sweep."""

POINTS_SIDE = f"""\
link set dev lo up
link set dev points up txqueuelen {QUEUE_PACKETS}
route add {CENTRE}/32 dev points
route add local default dev lo table main
"""
POINTS_SIDE_V6 = f"""\
route add {CENTRE_V6}/128 dev points
route add local default dev lo table main
"""
CENTRE_SIDE = f"""\
link set dev lo up
link set dev centre up txqueuelen {QUEUE_PACKETS}
address add {CENTRE}/32 dev centre
route add default dev centre src {CENTRE}
"""
CENTRE_SIDE_V6 = f"""\
address add {CENTRE_V6}/128 dev centre nodad
route add default dev centre src {CENTRE_V6}
"""
POINTS_SYSCTLS = {
    "ipv4/icmp_ratelimit": "0",
    "ipv4/icmp_msgs_per_sec": "1000000",
    "ipv4/icmp_msgs_burst": "100000",
    "ipv6/icmp/ratelimit": "0",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/points/rp_filter": "0",
}
"""The kernel answers for thousands of points at once, and must not hold back as one host would."""
CENTRE_SYSCTLS = {"ipv4/conf/all/rp_filter": "0", "ipv4/conf/centre/rp_filter": "0"}

ADVICE = {
    "user": "run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0)",
    "container": "in a container, start it with --cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun "
    "--security-opt seccomp=unconfined",
    "tun": f"{TUN_DEVICE} must exist and be yours to open (modprobe tun; in a container --device {TUN_DEVICE})",
    "ip": "install iproute2 (apt install iproute2)",
}


class NamespacesUnavailable(Exception):  # noqa: N818  (the name says what is the matter)
    """No province can be emulated on this machine; the text says why and what to do about it."""


@contextmanager
def _advised(doing: str, *advice: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        ways = "; ".join(ADVICE[word] for word in advice)
        raise NamespacesUnavailable(f"cannot {doing}: {error.strerror or error}. What helps: {ways}.") from error


def enter_points_side() -> int:
    """Move this process to a new network namespace where every address answers; returns its TUN device.

    Without root a user namespace comes first, in which the user is root; that needs a process of a single thread.

    Raises:
        NamespacesUnavailable: neither root nor user namespaces are allowed, or there is no TUN or ``ip``.
    """
    if platform.system() != "Linux":
        raise NamespacesUnavailable("the emulated province needs Linux: its network namespaces and TUN devices.")
    if os.geteuid() != 0:
        _become_root_of_our_own()
    return _new_side("points", POINTS_SIDE, POINTS_SIDE_V6, POINTS_SYSCTLS)


def enter_centre_side() -> int:
    """Move on to another new namespace, from which everything is reached through its TUN device, which is returned.

    Sockets opened before stay on the side where they were opened.

    Raises:
        NamespacesUnavailable: as :func:`enter_points_side`.
    """
    return _new_side("centre", CENTRE_SIDE, CENTRE_SIDE_V6, CENTRE_SYSCTLS)


def here() -> int:
    """The network namespace that this process is in, as a file descriptor: for :func:`join`, and to keep it alive."""
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def join(namespace: int) -> None:
    """Move this process to a namespace of :func:`here`. Raises OSError."""
    _call("setns", namespace, CLONE_NEWNET)


def enter_process_namespace() -> None:
    """The next process that this one forks is the first one of a process namespace. Raises OSError."""
    _unshare(CLONE_NEWPID)


def _new_side(device: str, commands: str, commands_v6: str, sysctls: dict[str, str]) -> int:
    with _advised("make a network namespace", "user", "container"):
        _unshare(CLONE_NEWNET)
    with _advised(f"open {TUN_DEVICE}", "tun"):
        tun = _open_tun(device)
    _ip(commands)
    if Path("/proc/sys/net/ipv6").exists():
        _ip(commands_v6, "-6")
    for name, value in sysctls.items():
        _set(name, value)
    return tun


def _unshare(flags: int) -> None:
    _call("unshare", flags)


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _become_root_of_our_own() -> None:
    """Enter a user namespace where this user is uid 0 (user_namespaces(7): setgroups is denied before gid_map)."""
    uid, gid = os.geteuid(), os.getegid()
    with _advised("make a user namespace", "user", "container"):
        _unshare(CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")


def _open_tun(name: str) -> int:
    tun = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(tun)
        raise
    return tun


def _ip(commands: str, *options: str) -> None:
    ip = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if ip is None:
        raise NamespacesUnavailable(f"there is no command ip. What helps: {ADVICE['ip']}.")
    done = subprocess.run([ip, *options, "-batch", "-"], input=commands, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NamespacesUnavailable(f"ip failed: {done.stderr.strip()[:300]}")


def _set(name: str, value: str) -> None:
    """Best effort: an older kernel lacks some of them, a user namespace may not write others."""
    try:
        (Path("/proc/sys/net") / name).write_text(value, encoding="ascii")
    except OSError:
        return
