"""A private certificate authority and a server's certificate by it, as one JSON line of PEM texts.

The server may call itself by the names of AWS in us-east-1 and by those of loopback.
"""

import datetime
import ipaddress
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ["*.us-east-1.amazonaws.com", "*.s3.us-east-1.amazonaws.com", "localhost"]


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name("a private authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def made(names):
    """The PEM texts of an authority, and of a server of these names and of loopback."""
    root, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    hosts = [x509.DNSName(host) for host in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = certificate("a server", server, False).add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    key = server.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "authority": pem(certificate("a private authority", root, True).sign(root, hashes.SHA256())),
        "certificate": pem(leaf.sign(root, hashes.SHA256())),
        "key": key.decode(),
    }


if __name__ == "__main__":
    print(json.dumps(made(NAMES)))
