"""What goes wrong in mutual TLS and is in no file: servers that are no such servers, and clients that are none, for observe.py."""
import contextlib
import dataclasses
import socket
import threading

from peers import free_port
from stack_servers import NginxServer, OpensslServer, Process
from stacks import End, Said


class Talker:
    """A socket of ours: what it does with each connection, and nothing to log."""

    def __init__(self, talk):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.talk = self.socket.getsockname()[1], talk
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                taken, _ = self.socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                taken.settimeout(1)
                self.talk(taken)
            taken.close()

    def mark(self):
        return 0

    def since(self, _):
        return ""

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Nobody(Talker):
    def __init__(self):
        super().__init__(lambda taken: None)
        super().close()


def says_hello_first(taken):
    taken.sendall(b"220 mail.example.com ESMTP\r\n")
    taken.recv(4096)
    taken.sendall(b"500 5.5.2 unknown command\r\n")


def nginx(place, servers):
    port = free_port()
    conf = place.file(f"""daemon off; master_process off; pid {place.directory}/nginx-{port}.pid; error_log stderr info;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
            {servers(f'127.0.0.1:{port}')}
        }}""", "conf")
    return Process(["nginx", "-p", place.directory, "-c", conf, "-e", "stderr"], place.directory, port, None, NginxServer.keep)


def openssl(place, corpus, *words):
    argv = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", corpus / "localhost.crt", "-key", corpus / "leaf.key", *words]
    return Process(argv, place.directory, None, r"^ACCEPT .*:(\d+)", OpensslServer.keep)


def door(corpus, cert="localhost.crt", asks="on"):
    return (f"ssl_certificate {corpus}/{cert}; ssl_certificate_key {corpus}/leaf.key; ssl_client_certificate {corpus}/root.crt; "
            f"ssl_verify_client {asks};")


def proxied(place, corpus):
    """TLS ends at the first, which asks nobody, and the second misses the client's certificate."""
    behind = place.directory / "behind.sock"
    return nginx(place, lambda at: f"""
        server {{ listen {at} ssl; {door(corpus, asks='off')} location / {{ proxy_pass https://unix:{behind}; }} }}
        server {{ listen unix:{behind} ssl; {door(corpus)} location / {{ return 200 "Hello"; }} }}""")


def servers(corpus, place):
    """(name, cause, the server's name, how it is opened); what the clients have is well."""
    verify = ["-Verify", "3", "-verify_return_error"]
    return [
        ("live_plain_http", "not_tls", "nginx", lambda: nginx(place, lambda at: f"server {{ listen {at}; return 200 Hello; }}")),
        ("live_mail", "starttls_needed", "smtp", lambda: Talker(says_hello_first)),
        ("live_nobody", "connection_refused", "nobody", Nobody),
        ("live_hangs_up", "connection_cut_off", "hang-up", lambda: Talker(lambda taken: taken.recv(1))),
        ("live_other_name", "sni_unknown", "nginx", lambda: nginx(place, lambda at: f"""
            server {{ listen {at} ssl default_server; ssl_reject_handshake on; }}
            server {{ listen {at} ssl; server_name other.example; {door(corpus)} }}""")),
        ("live_forbidden", "not_authorized", "nginx", lambda: nginx(
            place, lambda at: f"server {{ listen {at} ssl; {door(corpus)} return 403; }}")),
        ("live_not_asked", "server_does_not_ask", "nginx", lambda: nginx(place, lambda at: f"""
            server {{ listen {at} ssl; {door(corpus, asks='off')} if ($ssl_client_verify != SUCCESS) {{ return 403; }} }}""")),
        ("live_other_list", "client_issuer_not_in_ca_list", "openssl", lambda: openssl(
            place, corpus, "-CAfile", corpus / "c_other_root.crt", "-verifyCAfile", corpus / "root.crt", *verify)),
        ("live_protocol", "alpn_mismatch", "openssl", lambda: openssl(
            place, corpus, "-alpn", "postgresql", "-CAfile", corpus / "root.crt", *verify)),
        ("live_old", "tls_version_mismatch", "openssl", lambda: openssl(
            place, corpus, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-CAfile", corpus / "root.crt", *verify)),
        ("live_proxy", "tls_terminating_proxy", "nginx", lambda: proxied(place, corpus)),
        ("live_inspected", "tls_intercepted", "nginx", lambda: nginx(place, lambda at: f"""
            server {{ listen {at} ssl; {door(corpus, 'c_inspected.crt', 'off')} return 200 Hello; }}""")),
    ]


class PlainClient:
    """Speaks HTTP to a port for HTTPS."""

    name = "plain-http"

    @staticmethod
    def call(port, _end, _place):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plainly:
            plainly.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with contextlib.suppress(OSError):
                while plainly.recv(4096):
                    pass
        return Said(False, "", "")


@dataclasses.dataclass
class OldClient:
    """Speaks TLS 1.1 and nothing newer."""

    openssl: object
    name = "tls1.1"

    def call(self, port, _end, place):
        class Old(type(self.openssl)):
            def argv(self, *words):
                return [*super().argv(*words), "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
        return Old("openssl", "").call(port, End(), place)
