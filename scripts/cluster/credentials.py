"""Keys and certificates of a cluster: one authority, the API server's certificate, and one of its administrator."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVICE = "10.96.0.1"
"""The address of the service `kubernetes` in every cluster."""
NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)


def write(folder: Path, address: str) -> None:
    """Write ca.crt, server.crt, admin.crt and service-accounts.key, with their keys, to a folder."""
    folder.mkdir(mode=0o700)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("seatrial-cluster", authority_key, None, authority_key)
    addresses = [x509.IPAddress(ipaddress.ip_address(one)) for one in (address, SERVICE, "127.0.0.1")]
    server_key, admin_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [*(x509.DNSName(name) for name in NAMES), *addresses]
    server = _certificate("kube-apiserver", server_key, authority, authority_key, names=names)
    # `system:masters` may do everything; kubelets take the same certificate for the API server's.
    admin = _certificate("admin", admin_key, authority, authority_key, group="system:masters")
    for name, certificate in (("ca", authority), ("server", server), ("admin", admin)):
        _write(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    keys = {"server": server_key, "admin": admin_key, "service-accounts": ec.generate_private_key(ec.SECP256R1())}
    for name, key in keys.items():
        # The API server takes no PKCS 8 for the service accounts.
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        form = serialization.PrivateFormat.TraditionalOpenSSL
        _write(folder / f"{name}.key", key.private_bytes(pem, form, plain))


def kubeconfig(path: Path, folder: Path, server: str, context: str) -> None:
    """Write a kubeconfig (JSON is YAML) with one context, only for this user's eyes."""
    ca, certificate, key = (
        base64.b64encode((folder / name).read_bytes()).decode() for name in ("ca.crt", "admin.crt", "admin.key")
    )
    named = {
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": context, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    document = {"apiVersion": "v1", "kind": "Config", **named, "current-context": context}
    _write(path, json.dumps(document, indent=1).encode())


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
    *,
    group: str = "",
    names: Sequence[x509.GeneralName] = (),
) -> x509.Certificate:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    subject, now = x509.Name(attributes), datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if issuer:
        uses = [ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    else:
        usage = {name: name in ("key_cert_sign", "crl_sign") for name in _USAGES}
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
