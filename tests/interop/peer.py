"""Python's ssl as a client that loops and as a server that demands a certificate.

python3 peer.py client PORT VERSION CA CERT|- KEY|- COUNT
python3 peer.py server VERSION CA CERT KEY
python3 peer.py jobs            (one a line, from standard input: see observe.py)
"""
import http.client
import http.server
import platform
import socket
import ssl
import sys
import threading

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


# --- Jobs: any client and any server, as somebody would write it who follows the manual ---

def one_line(text):
    return str(text).strip().replace("\n", " / ")


def say(what, job, text):
    sys.stdout.write(f"{what}\t{job['id']}\t{one_line(text)}\n")
    sys.stdout.flush()


def reason(error):
    return f"{type(error).__name__}: {error}"


def job_context(job, purpose):
    ctx = ssl.create_default_context(purpose, cafile=job.get("ca") or None)
    if job.get("max") == "1.2":
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    if "cert" in job:
        ctx.load_cert_chain(job["cert"], job.get("key"), password=job.get("pass", ""))  # or it would ask
    for crl in filter(None, job.get("crl", "").split(",")):
        ctx.load_verify_locations(crl)
        ctx.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if "ciphers" in job:
        ctx.set_ciphers(job["ciphers"])
    return ctx


def job_client(job):
    try:
        ctx = job_context(job, ssl.Purpose.SERVER_AUTH)
        with socket.create_connection(("127.0.0.1", int(job["port"])), timeout=20) as plain:
            connection = http.client.HTTPConnection(job["host"])
            connection.sock = ctx.wrap_socket(plain, server_hostname=job["host"])
            connection.request("GET", "/")
            response = connection.getresponse()
            say("answer", job, f"{response.status} {response.read().decode()}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        say("error", job, reason(error))


def job_talk(job, ctx, plain):
    try:
        plain.settimeout(20)
        with ctx.wrap_socket(plain, server_side=True) as connection:
            if connection.recv(4096):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nHello")
    except (OSError, ValueError) as error:
        say("log", job, reason(error))
    finally:
        plain.close()


def job_serve(job, ctx, listener):
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=job_talk, args=(job, ctx, plain), daemon=True).start()


def job_server(job, listeners):
    ctx = job_context(job, ssl.Purpose.CLIENT_AUTH)
    ctx.verify_mode = {"require": ssl.CERT_REQUIRED, "request": ssl.CERT_OPTIONAL}.get(job["clients"], ssl.CERT_NONE)
    listeners[job["id"]] = listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=job_serve, args=(job, ctx, listener), daemon=True).start()
    say("port", job, listener.getsockname()[1])


def jobs():
    listeners = {}
    for line in sys.stdin:
        job = dict(field.split("=", 1) for field in line.rstrip("\n").split("\t"))
        if job["op"] == "client":
            threading.Thread(target=job_client, args=(job,), daemon=True).start()
        elif job["op"] == "server":
            try:
                job_server(job, listeners)
            except (OSError, ValueError) as error:
                say("error", job, reason(error))
        elif job["op"] == "stop":
            listener = listeners.pop(job["id"])
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        else:
            say("answer", job, f"{platform.python_version()} ({ssl.OPENSSL_VERSION})")


{"client": client, "server": server, "jobs": jobs}[sys.argv[1]](*sys.argv[2:])
