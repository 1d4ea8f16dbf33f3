"""A TLS endpoint before a plain one, with a certificate authority of its own: tls.py HOST TARGET_HOST TARGET_PORT.

Serves HOST and the names below it on a free port of loopback, and passes every byte on to the target. Prints one JSON
line, the port and the authority's certificate, and ends when its standard input closes.
"""

import asyncio
import datetime
import json
import os
import ssl
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(subject, key, issuer, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])  # noqa: E731
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def context(host):
    """A context that serves the host, and the certificate of its authority."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = certificate("authority", ca_key, "authority", ca_key, [(x509.BasicConstraints(True, None), True)])
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName(f"*.{host}")])
    own = certificate(host, key, "authority", ca_key, [(names, False), (x509.BasicConstraints(False, None), True)])
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "chain.pem")
        with open(path, "wb") as file:
            file.write(own + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
    return context, authority.decode()


async def copy(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass  # one side hung up; the other is told by the close
    sink.close()


async def main():
    host, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tls, authority = context(host)

    async def serve(from_client, to_client):
        from_server, to_server = await asyncio.open_connection(target, port)
        await asyncio.gather(copy(from_client, to_server), copy(from_server, to_client))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    ready = {"port": server.sockets[0].getsockname()[1], "authority": authority}
    print(json.dumps(ready), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # connections that are still open do not matter any more


if __name__ == "__main__":
    asyncio.run(main())
