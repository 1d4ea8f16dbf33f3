"""A TLS endpoint before a plain one, with a certificate authority of its own: tls.py HOST TARGET_HOST TARGET_PORT.

Serves HOST and the names below it on a free port of loopback, and passes every byte on to the target. Prints one JSON
line, the port and the authority's certificate, and ends when its standard input closes.
"""

import asyncio
import json
import os
import ssl
import sys
import tempfile

import authority


def context(host):
    """A context that serves the host, and the certificate of its authority."""
    texts = authority.made([host, f"*.{host}"])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "chain.pem")
        with open(path, "w") as file:
            file.write(texts["certificate"] + texts["key"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
    return context, texts["authority"]


async def copy(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass  # one side hung up; the other learns of it by the close
    sink.close()


async def main():
    host, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tls, certificate = context(host)

    async def serve(from_client, to_client):
        from_server, to_server = await asyncio.open_connection(target, port)
        await asyncio.gather(copy(from_client, to_server), copy(from_server, to_client))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    ready = {"port": server.sockets[0].getsockname()[1], "authority": certificate}
    print(json.dumps(ready), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # connections that are still open do not matter any more


if __name__ == "__main__":
    asyncio.run(main())
