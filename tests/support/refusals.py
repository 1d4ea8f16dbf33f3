"""TLS servers that clients refuse, or should not: prints one JSON line, {name: {"port": …, "bundle": …}}.

Each answers any request with 403 and AccessDenied; `bundle` is what its client trusts. Ends when its standard input
closes.
"""

import datetime
import ipaddress
import json
import os
import ssl
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BODY = b"<Error><Code>AccessDenied</Code><Message>reached</Message></Error>"
DAY = datetime.timedelta(days=1)


def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def certificate(subject, own, issuer=None, issuer_key=None, authority=False, names=("localhost",), days=(-1, 1), usage=None):
    """A certificate; self-signed where there is no issuer."""
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer or subject))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        hosts = [x509.DNSName(host) for host in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer_key or own, hashes.SHA256())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(403)
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(BODY)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context

    def finish_request(self, request, client_address):
        try:
            request = self.context.wrap_socket(request, server_side=True)
            self.RequestHandlerClass(request, client_address, self)
            request.unwrap()
        except OSError:
            pass  # the client refused, or was refused


def serve(leaf, own, adjust=lambda context: None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "chain.pem")
        private = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with open(path, "w") as file:
            file.write(pem(leaf) + private.decode())
        context.load_cert_chain(path)
    adjust(context)
    server = Server(context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def old(context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


def odd(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256")


def mutual(context):
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def main():
    root, other = key(), key()
    authority = certificate("an authority", root, authority=True, names=None)
    stranger = certificate("a stranger", other, authority=True, names=None)
    servers = {}

    def add(kind, bundle=authority, adjust=lambda context: None, own=None, **options):
        own = own or key()
        leaf = certificate("a server", own, "an authority", root, **options)
        servers[kind] = {"port": serve(leaf, own, adjust), "bundle": pem(bundle)}

    def alone(kind, bundle=None, **options):
        own = key()
        leaf = certificate("a store", own, **options)
        servers[kind] = {"port": serve(leaf, own), "bundle": pem(bundle or leaf)}

    add("good")
    add("old version", adjust=old)
    add("nothing in common", adjust=odd)
    add("client certificate", adjust=mutual)
    add("expired", days=(-3, -1))
    add("not yet", days=(1, 3))
    add("other name", names=("elsewhere.example",))
    add("no name", names=None)
    add("stranger", bundle=stranger)
    add("other purpose", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    alone("self-signed")
    alone("self-signed authority", authority=True)
    alone("self-signed authority, other name", authority=True, names=("elsewhere.example",))
    alone("self-signed authority, no name", authority=True, names=None)
    alone("self-signed authority, expired", authority=True, days=(-3, -1))
    alone("self-signed authority, not in the bundle", authority=True, bundle=authority)
    # The same name and another key than the one in the bundle.
    twin = certificate("a store", key(), authority=True)
    alone("self-signed authority, of another key", authority=True, bundle=twin)
    print(json.dumps(servers), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
