"""The authority's root for people's phones: a page with a QR code, and the certificate as phones install it.

Both are public, as the certificate is. What makes it believable is the fingerprint: the page is looked at on a
screen that trusts the hub already, and the phone shows the same digits when it installs.
"""

from __future__ import annotations

import hashlib
from html import escape
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from adapters.contract.enrolment import CA_PATH
from hub.api.context import Context, Here
from hub.api.drawing import QrView, draw_qr
from hub.api.fault import FAULTS
from hub.api.guard import everybody
from hub.api.views import Moment, View
from hub.domain.error import ConfigurationError, NotFound
from hub.sites.authority import Authority

router = APIRouter(tags=["enrolment"])
ROOT_PATH: Final = f"{CA_PATH}/root.crt"
PAGE_PATH: Final = "/ca"
_PAGE: Final = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>安装根证书 · Install the root certificate</title></head>
<body>
<h1>安装本校根证书 · Install this site's root certificate</h1>
<p>用手机扫码下载，或点 <a href="{path}">sanfang-ca.crt</a>。Scan with the phone, or take the file.</p>
<svg width="320" height="320" viewBox="0 0 {size} {size}" role="img" aria-label="QR: {url}">
<rect width="{size}" height="{size}" fill="white"/><path d="{drawing}"/></svg>
<p><code>{url}</code></p>
<h2>SHA-256</h2>
<p><code>{fingerprint}</code></p>
<p>安装前请核对手机上显示的指纹与上面完全相同；不同就不要安装。<br>
Before installing, compare the phone's fingerprint with this one; where it differs, do not install.</p>
<ol>
<li>iPhone：设置 → 已下载描述文件 → 安装；再到 通用 → 关于本机 → 证书信任设置 打开信任。<br>
Settings → Profile Downloaded → Install; then General → About → Certificate Trust Settings.</li>
<li>Android：设置 → 安全 → 加密与凭据 → 安装证书 → CA 证书。<br>
Settings → Security → Encryption &amp; credentials → Install a certificate → CA certificate.</li>
</ol>
<p>有效期至 · good until {until}</p>
</body></html>
"""


class RootView(View):
    """`url`: where a phone gets the certificate; `fingerprint`: SHA-256 of it, as phones write it."""

    url: str
    fingerprint: str
    expires_at: Moment
    qr: QrView


@router.get(
    ROOT_PATH,
    operation_id="getRoot",
    dependencies=[everybody("is public: believed by its fingerprint")],
    response_class=Response,
    responses=FAULTS,
)
def get_root(here: Here) -> Response:
    """The authority's certificate (DER), as phones take it for one to install."""
    return Response(
        _certificate(here).public_bytes(Encoding.DER),
        media_type="application/x-x509-ca-cert",
        headers={"Content-Disposition": 'attachment; filename="sanfang-ca.crt"'},
    )


@router.get(
    f"{CA_PATH}/qr",
    operation_id="getRootCode",
    dependencies=[everybody("is public: believed by its fingerprint")],
    responses=FAULTS,
)
def get_root_code(here: Here) -> RootView:
    """Where a phone gets the root, as a QR code, with the fingerprint to compare."""
    certificate = _certificate(here)
    url = f"{here.settings.http.url}{ROOT_PATH}"
    return RootView(
        url=url,
        fingerprint=fingerprint_of(certificate),
        expires_at=certificate.not_valid_after_utc,
        qr=draw_qr(url),
    )


@router.get(PAGE_PATH, include_in_schema=False)
def get_page(here: Here) -> HTMLResponse:
    """The same as a page without any script, which also a phone's browser shows."""
    told = get_root_code(here)
    return HTMLResponse(
        _PAGE.format(
            path=ROOT_PATH,
            url=escape(told.url),
            size=told.qr.size,
            drawing=told.qr.path,
            fingerprint=told.fingerprint,
            until=f"{told.expires_at:%Y-%m-%d}",
        )
    )


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 in pairs: `AB:CD:…`."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest().hex(":").upper()


def _certificate(here: Context) -> x509.Certificate:
    """The authority's certificate; raises NotFound where the hub has no authority, or none yet."""
    if here.settings.ca is None:
        raise NotFound("this hub has no certificate authority")
    try:
        authority = Authority(here.settings.ca.directory)
    except ConfigurationError:
        raise NotFound("this hub's certificate authority is not made yet: sanfang ca init") from None
    return x509.load_pem_x509_certificate(authority.certificate.encode())
