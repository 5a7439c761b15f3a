"""Other people's clients come to mutual's door with certificates that mutual made."""
import pytest

from peers import CLIENTS, VERSIONS, need, run

every_client = pytest.mark.parametrize("client", CLIENTS)
every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
@every_client
def test_a_client_of_the_ca_is_greeted(ours, make_door, make_client, client, version):
    door = make_door(ours.files("localhost"), "--log", "refusals,requests")
    answer, = make_client(client).fetch(door.port, version, ours.files("my-client"))
    assert "Hello World" in answer
    line = door.says(" request ")
    assert '"CN=my-client"' in line
    if client in ("curl", "go", "java"):
        assert line.endswith(" HTTP/2\n")


# How each client says what the server's alert was.
ALERTS = {
    "openssl": {"missing": "SSL alert number 116", "missing-1.2": "SSL alert number 40",
                "untrusted": "SSL alert number 48", "expired": "SSL alert number 45",
                "purpose": "SSL alert number 43"},
    "curl": {"missing": "alert certificate required", "missing-1.2": "alert handshake failure",
             "untrusted": "alert unknown ca", "expired": "alert certificate expired",
             "expired-1.2": "certificate verification failed",  # which curl says in place of the alert
             "purpose": "alert unsupported certificate"},
    "python": {"missing": "TLSV13_ALERT_CERTIFICATE_REQUIRED", "missing-1.2": "ALERT_HANDSHAKE_FAILURE",
               "untrusted": "ALERT_UNKNOWN_CA", "expired": "ALERT_CERTIFICATE_EXPIRED",
               "purpose": "ALERT_UNSUPPORTED_CERTIFICATE"},
    "node": {"missing": "alert number 116", "missing-1.2": "alert number 40", "untrusted": "alert number 48",
             "expired": "alert number 45", "purpose": "alert number 43"},
    "go": {"missing": "tls: certificate required", "missing-1.2": "tls: handshake failure",
           "untrusted": "tls: unknown certificate authority", "expired": "tls: expired certificate",
           "purpose": "tls: unsupported certificate"},
    "java": {"missing": "fatal alert: certificate_required", "missing-1.2": "fatal alert: handshake_failure",
             "untrusted": "fatal alert: unknown_ca", "expired": "fatal alert: certificate_expired",
             "purpose": "fatal alert: unsupported_certificate"},
    "gnutls": {"missing": "alert [116]", "missing-1.2": "alert [40]", "untrusted": "alert [48]",
               "expired": "alert [45]", "purpose": "alert [43]"},
    "nss": {"missing": "SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT", "missing-1.2": "SSL_ERROR_HANDSHAKE_FAILURE_ALERT",
            "untrusted": "SSL_ERROR_UNKNOWN_CA_ALERT",  # and it never presents a server's certificate
            "expired": "SSL_ERROR_EXPIRED_CERT_ALERT"},
    "rustls": {"missing": "CertificateRequired", "missing-1.2": "HandshakeFailure", "untrusted": "UnknownCA",
               "expired": "CertificateExpired", "purpose": "UnsupportedCertificate"},
}
REFUSED = {"missing": None, "untrusted": "stranger", "expired": "late", "purpose": "localhost"}
MEETINGS = [(client, fault) for client, alerts in ALERTS.items() for fault in REFUSED if fault in alerts]


@every_version
@pytest.mark.parametrize("client, fault", MEETINGS)
def test_a_refused_client_is_told_why_by_the_alert(ours, make_door, make_client, client, fault, version, monkeypatch):
    """Each time: in TLS 1.3 the client's request is under way by then, and must not turn the alert into a reset."""
    monkeypatch.setenv("PEER_HTTP", "1.1")  # over HTTP/2 Go and Java say no more than that the connection has failed
    door = make_door(ours.files("localhost"))
    count = 20 if version == "1.3" else 2
    expected = ALERTS[client].get(f"{fault}-{version}", ALERTS[client][fault])
    for answer in make_client(client).fetch(door.port, version, ours.files(REFUSED[fault]), count):
        assert expected in answer
        assert "Hello" not in answer
        assert "hint: " in door.says(f" client-cert-{fault}: ")


def test_a_refused_client_in_the_middle_of_an_upload_is_told_why_too(ours, make_door, tmp_path):
    door = make_door(ours.files("localhost"))
    (tmp_path / "upload").write_bytes(b"x" * 500_000)
    for _ in range(10):
        done = run(need("curl"), "-sS", "--cacert", ours.ca, "--data-binary", "@upload", door.url, cwd=tmp_path,
                   check=False)
        assert "alert certificate required" in done.stderr
