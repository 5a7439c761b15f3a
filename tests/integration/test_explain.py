"""mutual explain: the causes, and the page that is made of them."""
import subprocess

from conftest import BINARY, ROOT
from door import Door


def test_the_page_of_causes_is_up_to_date(tmp_path):
    made = tmp_path / "causes.md"
    subprocess.run([ROOT / "tools/make-causes", BINARY, made], check=True)
    assert made.read_text() == (ROOT / "docs/causes.md").read_text(), "run tools/make-causes build/release/mutual docs/causes.md"


def test_one_cause_and_all_of_them(mutual):
    every = mutual("explain", "--list", "--json").ok().json()
    assert {"ok", "client_chain_incomplete", "not_authorized"} <= {cause["id"] for cause in every}
    assert len(mutual("explain", "--list").ok().stdout.splitlines()) == len(every)
    said = mutual("explain", "client_chain_incomplete").ok().stdout
    assert said.startswith("client_chain_incomplete: ") and "cat FILE intermediate.crt" in said
    mutual("explain", "nonsense").refused("nonsense", code=2)
    mutual("explain").refused("needs something to explain", code=2)
    mutual("explain", "api.internal:8443").refused("https://api.internal:8443", code=2)
    mutual("explain", "--host", "api.internal:8443").refused("without a port", code=2)
    for words in (["explain", "--host", "b\u00fccher.example"], ["explain", "https://b\u00fccher.example"], ["get", "https://b\u00fccher.example"]):
        mutual(*words).refused("not written as DNS and certificates have it", "xn--", code=2)


def test_a_pasted_message(mutual):
    done = mutual("explain", "--error", "Received fatal alert: unknown_ca")
    lines = done.stdout.splitlines()
    assert done.code == 1 and lines[0] == "Most likely the client's certificate is from a CA that the server does not trust."
    assert "cause: client_untrusted_ca" in lines and any(line.startswith("    client_chain_incomplete ") for line in lines)
    assert "--server-cacert" in done.stdout and lines[-1] == "  the error itself: Received fatal alert: unknown_ca"
    told = mutual("explain", "--json", "--error", "-", input="x\nremote error: tls: certificate required\n").json()
    assert told["cause"] == told["causes"][0] == "client_cert_not_sent" and "client_issuer_not_in_ca_list" in told["causes"]
    silent = mutual("explain", "--error", "TypeError: failed to enable crypto").stdout
    assert silent.startswith("This message does not say what is wrong.\n") and "  do  " not in silent
    hostile = mutual("explain", "--error", "\x1b[2Jno idea")
    assert (hostile.code, "\x1b" in hostile.stdout, "cause: other" in hostile.stdout) == (1, False, True)


def test_a_refusal_is_told_by_its_cause_at_both_ends(mutual, place, ca):
    mutual("init", "Other CA", home=place / "other").ok()
    mutual("issue", "client", "bob", home=place / "other").ok()
    with Door(place, home=ca) as door:
        assert "\n  cause: client_cert_not_sent\n" in mutual("get", door.url).refused().stderr
        assert door.says("refused").endswith("; cause: client_cert_not_sent\n")
        assert mutual("get", "--json", "--as", "bob", door.url).json()["error"]["cause_id"] == "client_untrusted_ca"
        assert door.says("refused").endswith("; cause: client_untrusted_ca\n")
        (place / "localhost.key").write_text("no key")
        assert door.says("reload-failed").endswith("; cause: wrong_file\n")


def test_a_key_that_is_nobodys_is_remarked_on(mutual, ca, tmp_path):
    """Not a fault: it may be meant for others. But who gives three files wants to know."""
    for name in ("alice", "bob", "carol"):
        mutual("issue", "client", name).ok()
    stray = "carol.key: its private key belongs to none of these certificates"
    assert stray in mutual("explain", "alice.crt", "bob.crt", "carol.key").ok().stdout
    assert stray in mutual("explain", "alice.crt", "alice.key", "bob.crt", "carol.key").ok().stdout
    assert "belongs to none" not in mutual("explain", "alice.crt", "bob.crt", "bob.key").ok().stdout
