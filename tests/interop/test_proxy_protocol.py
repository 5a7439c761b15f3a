"""The PROXY protocol with the programs that people have: haproxy and nginx, before and behind the door."""
import os

import pytest

from peers import Server, need, run

STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


class HaproxyBefore(Server):
    """Carries connections to `to`, a port, and says whom it speaks for by `how`."""

    name, port_line = "haproxy", None

    def argv(self):
        conf = self.file("haproxy.cfg", f"""
defaults
    mode tcp
    timeout client 30s
    timeout server 30s
    timeout connect 30s
listen way
    bind 127.0.0.1:{self.port}
    source 127.0.0.9
    server door 127.0.0.1:{self.version} {self.files}
""")
        return [need("haproxy"), "-q", "-f", conf]


class NginxBefore(Server):
    name, port_line = "nginx", None

    def argv(self):
        conf = self.file("nginx.conf", f"""
            load_module {STREAM_MODULE};
            daemon off; master_process off; pid nginx.pid; error_log stderr info;
            events {{ worker_connections 64; }}
            stream {{ server {{ listen 127.0.0.1:{self.port}; proxy_pass 127.0.0.1:{self.version}; proxy_protocol on;
                proxy_bind 127.0.0.9; }} }}""")
        return [need("nginx"), "-p", self.directory, "-c", conf, "-e", "stderr"]


class HaproxyBehind(Server):
    name, port_line = "haproxy", None

    def argv(self):
        conf = self.file("haproxy.cfg", f"""
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 30s
frontend service
    bind 127.0.0.1:{self.port} accept-proxy
    http-request return status 200 content-type text/plain lf-string "from %[src] to %[dst_port] as %[fc_pp_authority]"
""")
        return [need("haproxy"), "-q", "-f", conf]


class NginxBehind(Server):
    name, port_line = "nginx", None

    def argv(self):
        conf = self.file("nginx.conf", f"""
            daemon off; master_process off; pid nginx.pid; error_log stderr info;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
                server {{ listen 127.0.0.1:{self.port} proxy_protocol;
                    location / {{ return 200 "from $proxy_protocol_addr to $proxy_protocol_server_port"; }} }}
            }}""")
        return [need("nginx"), "-p", self.directory, "-c", conf, "-e", "stderr"]


def fetch(ours, port):
    own = ours.files("my-client")
    return run(need("curl"), "-sS", "--cacert", ours.ca, "--cert", own.cert, "--key", own.key, f"https://localhost:{port}/",
               check=False)


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id", "nginx"])
def test_who_the_proxy_says_it_is(ours, make_door, workshop, tmp_path, how):
    if how == "nginx" and not os.path.exists(STREAM_MODULE):
        pytest.skip("nginx's stream module (libnginx-mod-stream) is not installed")
    door = make_door(ours.files("localhost"), "--proxy-protocol", "--proxy-from", "127.0.0.9", "--log", "all")
    peer = NginxBefore if how == "nginx" else HaproxyBefore
    with peer(workshop, tmp_path, door.port, how) as proxy:
        assert fetch(ours, proxy.port).stdout == "Hello World"
        assert " 127.0.0.1:" in door.says(" request ")
    assert fetch(ours, door.port).stdout == ""  # without a proxy
    door.says(" refused proxy-untrusted: ")


@pytest.mark.parametrize("service", [HaproxyBehind, NginxBehind])
def test_what_the_service_hears(ours, make_door, workshop, tmp_path, service):
    with service(workshop, tmp_path, None, None) as peer:
        door = make_door(ours.files("localhost"), "--to", f"tcp://127.0.0.1:{peer.port}", "--send-proxy", "v2")
        said = fetch(ours, door.port).stdout
        assert said.startswith(f"from 127.0.0.1 to {door.port}"), said
        if service is HaproxyBehind:
            assert said.endswith(" as localhost"), said
