"""Where phones find this server: the addresses of the machine in its network, and one of them as a QR code."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from functools import cache
from urllib.parse import urlsplit

# Addresses behind which somebody may be: which of its own the machine would use on the way there (nothing is sent).
_WAYS = ("192.168.255.254", "10.255.255.254", "172.31.255.254", "169.254.255.254", "192.0.2.1")


def machine() -> list[str]:
    """The IPv4 addresses of this machine that others may reach; the likeliest first."""
    found = []
    for there in _WAYS:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((there, 9))
            found.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):
        found += socket.gethostbyname_ex(socket.gethostname())[2]
    return [each for each in dict.fromkeys(found) if not ipaddress.ip_address(each).is_loopback]


def bases(url: str, machines: list[str]) -> list[str]:
    """What addresses of this server begin with, the likeliest first.

    `url` is the page that the teacher has open: what stands there is right for others as well, unless it means the
    machine itself; then it is each of the addresses in `machines`.
    """
    parts = urlsplit(url)
    prefix = parts.path.rpartition("/")[0]
    if not _is_itself(parts.hostname or "localhost"):
        return [f"{parts.scheme}://{parts.netloc}{prefix}"]
    port = f":{parts.port}" if parts.port else ""
    return [f"{parts.scheme}://{each}{port}{prefix}" for each in machines]


@cache
def qr(url: str) -> str:
    """The QR code of an address as SVG, black on white on any ground, with the quiet edge that it needs."""
    import segno

    return segno.make(url, micro=False, error="m").svg_inline(
        scale=4, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr"
    )


def _is_itself(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
