"""Python's ssl as a client that loops and as a server that demands a certificate.

python3 peer.py client PORT VERSION CA CERT|- KEY|- COUNT
python3 peer.py server VERSION CA CERT KEY
"""
import http.client
import http.server
import ssl
import sys

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context(protocol, version, ca, cert, key):
    ctx = ssl.SSLContext(protocol)
    ctx.minimum_version = ctx.maximum_version = VERSIONS[version]
    ctx.load_verify_locations(ca)
    if hasattr(ssl, "VERIFY_X509_STRICT"):
        ctx.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does unasked
    if cert != "-":
        ctx.load_cert_chain(cert, key)
    return ctx


def client(port, version, ca, cert, key, count):
    ctx = context(ssl.PROTOCOL_TLS_CLIENT, version, ca, cert, key)
    for _ in range(int(count)):
        connection = http.client.HTTPSConnection("localhost", int(port), context=ctx, timeout=30)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            print(response.status, response.read().decode())
        except OSError as error:
            print("error:", repr(error))
        finally:
            connection.close()


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        subject = dict(pair for rdn in self.connection.getpeercert()["subject"] for pair in rdn)
        body = f"Hello {subject['commonName']} from python".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def setup(self):
        self.request.do_handshake()  # here, in this connection's thread
        super().setup()


def server(version, ca, cert, key):
    ctx = context(ssl.PROTOCOL_TLS_SERVER, version, ca, cert, key)
    ctx.verify_mode = ssl.CERT_REQUIRED
    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    door.socket = ctx.wrap_socket(door.socket, server_side=True, do_handshake_on_connect=False)
    print("port", door.server_address[1], flush=True)
    door.serve_forever()


{"client": client, "server": server}[sys.argv[1]](*sys.argv[2:])
