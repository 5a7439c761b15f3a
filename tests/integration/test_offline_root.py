"""An offline root: mutual ca request where the CA is, mutual sign --profile ca where the root is, mutual ca install back."""
import contextlib
import re
import signal
import sqlite3
import subprocess

import pytest

from conftest import Mutual
from made import files, mode, openssl, public_key, text


def certificates(path):
    return re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", path.read_text(), re.S)


def crls(path):
    return path.read_text().count("BEGIN X509 CRL")


class Two:
    """The root's machine and the CA's, and the stick that is carried between them."""

    def __init__(self, stick):
        stick.mkdir(exist_ok=True)
        self.stick = stick
        self.root, self.online = Mutual(stick / "root", stick), Mutual(stick / "online", stick)
        self.root("init", "Example Root", "--path-length", 1).ok()

    def renew(self, *words, sign=(), name=None):
        """There and back."""
        self.online("ca", "request", *([name] if name else []), "--force", *words).ok()
        self.root("sign", "ca.csr", "--profile", "ca", "--force", *sign).ok()
        return self.online("ca", "install", "ca.crt").ok()

    def verify(self, cert, *options):
        openssl("verify", "-x509_strict", *options, "-CAfile", self.online.home / "trust.crt", "-untrusted",
                self.stick / cert, self.stick / cert)
        self.online("verify", cert).ok()


@pytest.fixture
def two(tmp_path):
    return Two(tmp_path)


@pytest.fixture
def working(two):
    """The CA is at work, and has issued `before`."""
    two.renew(name="Example CA")
    two.online("issue", "server", "before.example").ok()
    return two


def test_a_ca_below_an_offline_root(two):
    result = two.online("ca", "request", "Example CA").ok()
    home = two.online.home
    assert files(home) == ["ca-request.key"] and mode(home / "ca-request.key") == 0o600
    assert "next: take the request to the root's machine, which runs: mutual sign ca.csr --profile ca" in result.stdout
    assert public_key(two.stick / "ca.csr", "req") == public_key(home / "ca-request.key", "pkey")
    assert "mutual ca install ca.crt" in two.root("sign", "ca.csr", "--profile", "ca").ok().stdout
    facts = two.online("ca", "install", "ca.crt", "--json").ok().json()
    assert (facts["name"], facts["first"], facts["new_key"], facts["new_root"]) == ("Example CA", True, False, False)
    assert facts["root_sha256"] in two.root("inspect", two.root.home / "ca.crt").stdout
    assert files(home) == ["ca-chain.crt", "ca.crt", "ca.key", "mutual.db", "root.crt", "trust.crt"]
    assert mode(home / "ca.key") == 0o600
    assert (home / "trust.crt").read_text() == (two.root.home / "ca.crt").read_text()
    assert "CA:TRUE, pathlen:0" in text(home / "ca.crt")
    two.online("issue", "server", "localhost").ok()
    assert certificates(two.stick / "localhost.crt")[1:] == certificates(home / "ca.crt")
    two.verify("localhost.crt")
    assert [line["name"] for line in two.root("list", "--json").ok().json_lines()] == ["Example CA"]
    two.online("audit", "verify").ok()
    assert "install" in two.online("audit").stdout


def test_a_request_for_a_ca_is_not_taken_for_a_servers_in_silence(two):
    """It has a name that a server could have, too."""
    two.online("ca", "request", "ca.example").ok()
    asked = subprocess.run(["openssl", "req", "-in", "ca.csr", "-noout", "-text"], cwd=two.stick, capture_output=True,
                           text=True, check=True).stdout
    assert re.search(r"X509v3 Basic Constraints: critical\n +CA:TRUE", asked)
    told = two.root("sign", "ca.csr", "--dry-run").ok().stderr
    assert "ca.csr asks for the certificate of a CA, and is taken for that of a server" in told and "--profile ca" in told
    assert "asks for" not in two.root("sign", "ca.csr", "--profile", "ca").ok().stderr


def test_a_request_that_is_made_again_is_for_the_same_key(two):
    two.online("ca", "request", "Example CA", "--out", "a.csr").ok()
    two.online("ca", "request", "Example CA", "--out", "b.csr").ok()
    two.online("ca", "request", "Example CA", "--out", "b.csr").refused("b.csr")
    assert public_key(two.stick / "a.csr", "req") == public_key(two.stick / "b.csr", "req")
    two.online("ca", "request", "Example CA", "--out", "c.csr", "--force").ok()
    assert public_key(two.stick / "a.csr", "req") != public_key(two.stick / "c.csr", "req")
    assert two.online("ca", "request", "Example CA", "--out", "-").ok().stdout.startswith("-----BEGIN CERTIFICATE REQ")


def test_the_root_binds_what_it_signs(two):
    two.online("ca", "request", "Example CA").ok()
    bounds = ["--permit", "DNS:internal.example", "--days", 100]
    dry = two.root("sign", "ca.csr", "--profile", "ca", *bounds, "--dry-run").ok().stdout
    assert "would be signed as a ca certificate" in dry and "internal.example" in dry
    two.root("sign", "ca.csr", "--profile", "ca", "--path-length", 1).refused("at most 0", "--path-length")
    two.root("sign", "ca.csr", "--path-length", 0).refused("--profile ca", code=2)
    two.root("sign", "ca.csr", "--profile", "ca", *bounds).ok()
    two.online("ca", "install", "ca.crt").ok()
    two.online("issue", "server", "localhost").refused("internal.example")
    two.online("issue", "server", "a.internal.example").ok()
    two.verify("a.internal.example.crt")
    assert "was bound to names (DNS:internal.example)" in two.renew().stderr


def test_the_policy_of_the_root_counts(two):
    (two.root.home / "policy.yaml").write_text("ca:\n  longest_lifetime: 30d\n  default_lifetime: 10d\n")
    two.online("ca", "request", "Example CA").ok()
    two.root("sign", "ca.csr", "--profile", "ca", "--days", 31).refused("longest_lifetime")
    shown = two.root("sign", "ca.csr", "--profile", "ca").ok().stdout
    assert re.search(r"in (10|9) days", shown), "the policy's lifetime, or a moment less"


def test_a_root_that_leaves_no_room_signs_no_ca(two):
    two.root("init", "--force").ok()
    two.online("ca", "request", "Example CA").ok()
    two.root("sign", "ca.csr", "--profile", "ca").refused("path length is 0", "--path-length 1")


def test_the_key_of_a_root_may_lie_alone(mutual, home, tmp_path):
    """Without a home: the root's certificate and key are files."""
    mutual("init", "Example CA", "--issuing", "--root-key-out", "usb.key").ok()
    mutual("issue", "server", "before.example").ok()
    mutual("ca", "request").ok()
    mutual("sign", "ca.csr", "--profile", "ca", "--cacert", home / "root.crt", "--cakey", "usb.key").ok()
    facts = mutual("ca", "install", "ca.crt", "--json").ok().json()
    assert (facts["first"], facts["new_key"], facts["new_root"]) == (False, False, False)
    mutual("issue", "server", "after.example").ok()
    mutual("verify", "before.example.crt").ok()
    mutual("crl").ok()
    mutual("verify", "after.example.crt", "--crl", home / "ca.crl").ok()


def test_the_ca_is_renewed_with_its_key(working):
    key = (working.online.home / "ca.key").read_bytes()
    old = certificates(working.online.home / "ca.crt")
    working.renew()
    assert (working.online.home / "ca.key").read_bytes() == key
    assert certificates(working.online.home / "ca.crt") != old
    working.online("issue", "server", "after.example").ok()
    for name in ("before.example.crt", "after.example.crt"):
        working.verify(name)
    assert len(list(working.online.home.glob("ca-*.key"))) == 0
    working.online("audit", "verify").ok()
    working.online("ca", "install", "ca.crt").refused("installed already", "mutual crl")


def test_a_new_key_keeps_the_old_one_for_its_lists(working):
    working.online("crl", "--url", "http://ca.example/").ok()
    working.online("issue", "client", "gone").ok()
    old = (working.online.home / "ca.key").read_bytes()
    assert "another key" in working.renew("--new-key").stderr
    home = working.online.home
    former = list(home.glob("ca-*.key"))
    assert [path.read_bytes() for path in former] == [old] and mode(former[0]) == 0o600
    assert mode(working.online.home / "ca.key") == 0o600
    working.online("issue", "client", "fresh").ok()
    working.online("issue", "client", "gone-too").ok()
    for name in ("gone", "gone-too"):
        working.online("revoke", name).ok()
    assert crls(home / "ca.crl") == 2 and len(list((home / "public").glob("*.crl"))) == 2
    working.root("crl").ok()
    (working.stick / "lists").write_text((home / "ca.crl").read_text() + (working.root.home / "ca.crl").read_text())
    for name, said in (("gone", "refused"), ("gone-too", "refused"), ("fresh", "good"), ("before.example", "good")):
        assert working.online("verify", f"{name}.crt", "--crl", "lists").stdout.startswith(said), name
    for name, said in (("gone", "revoked"), ("gone-too", "revoked"), ("fresh", "good"), ("before.example", "good")):
        working.online("ocsp", "request", f"{name}.crt", "--out", "q", "--force").ok()
        working.online("ocsp", "answer", "q", "--out", "a", "--force").ok()
        issuer = issuer_of(working, name)
        answer = openssl("ocsp", "-no_nonce", "-respin", working.stick / "a", "-issuer", issuer, "-cert",
                         working.stick / f"{name}.crt", "-CAfile", home / "trust.crt", "-verify_other", issuer)
        assert f": {said}\n" in answer, answer
    former, = home.glob("ocsp-*.key")
    assert mode(former) == 0o600 and (home / "ocsp.key").exists()
    # Without the former key the present responder answers, which only some askers accept, and says why.
    (home / former.name.replace("ocsp-", "ca-")).rename(working.stick / "lost.key")
    former.unlink()
    result = working.online("ocsp", "answer", "q", "--out", "a", "--force").ok()
    assert former.name.replace("ocsp-", "ca-") in result.stderr, result
    assert ": good\n" in openssl("ocsp", "-no_nonce", "-respin", working.stick / "a", "-issuer", issuer, "-cert",
                                 working.stick / "before.example.crt", "-noverify")
    (working.stick / "lost.key").rename(home / former.name.replace("ocsp-", "ca-"))
    assert crls(home / "ca.crl") == 2
    assert working.online("crl", "--out", "copy.crl").ok() and crls(working.stick / "copy.crl") == 2
    working.online("audit", "verify").ok()


def issuer_of(two, name):
    """The certificate that is behind the leaf, in a file of its own."""
    path = two.stick / f"{name}.issuer"
    path.write_text(certificates(two.stick / f"{name}.crt")[1])
    return path


def test_the_roots_list_comes_along(working):
    working.online("ca", "request", "--force").ok()
    working.root("sign", "ca.csr", "--profile", "ca", "--force").ok()
    working.root("crl", "--days", 365).ok()
    stranger = Mutual(working.stick / "stranger", working.stick)
    stranger("init").ok()
    stranger("crl").ok()
    working.online("ca", "install", "ca.crt", "--chain", working.root.home / "ca.crl", "--chain",
                   stranger.home / "ca.crl").ok()
    assert crls(working.online.home / "root.crl") == 1, "a stranger's list is nobody's business"
    working.online("crl").ok()
    working.online("verify", "before.example.crt", "--crl", working.online.home / "ca.crl").ok()


def test_a_newer_list_of_the_root_is_brought_alone(working):
    """Before the one that is there has ended: nothing else changes, and an older one does not come back."""
    online, root = working.online, working.root
    known = {name: (online.home / name).read_bytes() for name in files(online.home) if name.startswith("c")}
    root("crl", "--out", "old.crl").ok()
    online("ca", "install", "ca.crt", "--chain", "old.crl").ok()
    root("crl", "--out", "new.crl").ok()
    result = online("ca", "install", "ca.crt", "--chain", "new.crl").ok()
    assert result.stdout.startswith('installed the revocation list of the root "Example Root"')
    new = (online.home / "root.crl").read_bytes()
    for path in ("old.crl", "new.crl"):
        online("ca", "install", "ca.crt", "--chain", path).refused("this certificate is installed already")
    assert (online.home / "root.crl").read_bytes() == new
    assert {name: (online.home / name).read_bytes() for name in known} == known
    assert 'a revocation list of "Example Root"' in online("audit").stdout


def test_the_old_roots_list_stays_while_it_is_trusted(working):
    """Whoever checks whole chains needs it until the rollover is finished, though only the new root's came along."""
    working.root("crl", "--out", "old.crl").ok()
    working.online("ca", "install", "ca.crt", "--chain", "old.crl").ok()
    working.root("ca", "rollover", "start").ok()
    working.root("crl", "--out", "new.crl").ok()
    working.online("ca", "request", "--force").ok()
    working.root("sign", "ca.csr", "--profile", "ca", "--force").ok()
    working.online("ca", "install", "ca.crt", "--chain", "new.crl").ok()
    assert crls(working.online.home / "root.crl") == 2


def test_what_does_not_belong_here_is_refused_and_changes_nothing(working):
    home = working.online.home
    before = {name: (home / name).read_bytes() for name in files(home) if "mutual.db" not in name}
    other = Two(working.stick / "other")
    other.renew(name="Other CA")
    other.online("ca", "request", "--out", working.stick / "other.csr").ok()
    working.root("sign", "other.csr", "--profile", "ca").ok()
    working.online("ca", "install", "other.crt").refused("is not in", "mutual ca request")
    working.online("ca", "install", "before.example.crt").refused("is not in")
    alone = working.stick / "alone.crt"
    working.online("ca", "request", "--force").ok()
    working.root("sign", "ca.csr", "--profile", "ca", "--force").ok()
    openssl("req", "-new", "-key", home / "ca.key", "-subj", "/CN=Renamed CA", "-out", working.stick / "renamed.csr")
    working.root("sign", "renamed.csr", "--profile", "ca").ok()
    working.online("ca", "install", "renamed.crt").refused("Renamed CA", "Example CA")
    working.online("ca", "request", "Another Name", "--force").refused("keeps its name", code=2)
    working.root("ca", "request", "--force").refused("is a root itself", code=2)
    Mutual(working.stick / "none", working.stick)("ca", "request", "--force").refused("needs a name", code=2)
    Mutual(working.stick / "nowhere", working.stick)("ca", "install", "ca.crt").refused("nothing has been asked for")
    alone.write_text(certificates(working.stick / "ca.crt")[0])
    new = Two(working.stick / "new")
    new.online("ca", "request", "New CA").ok()
    new.root("sign", "ca.csr", "--profile", "ca").ok()
    (new.stick / "alone.crt").write_text(certificates(new.stick / "ca.crt")[0])
    new.online("ca", "install", "alone.crt").refused("\"New CA\" is missing", "--chain")
    new.online("ca", "install", "alone.crt", "--chain", new.root.home / "ca.crt").ok()
    assert {name: (home / name).read_bytes() for name in before} == before


def test_keys_stay_protected_on_both_machines(two):
    (two.stick / "secret").write_text("correct horse\n")
    secret = ["--passphrase-file", "secret"]
    two.online("ca", "request", "Example CA", *secret).ok()
    two.root("sign", "ca.csr", "--profile", "ca").ok()
    two.online("ca", "install", "ca.crt", *secret).ok()
    assert "ENCRYPTED" in (two.online.home / "ca.key").read_text()
    two.online("issue", "client", "gone", *secret).ok()
    two.online("ca", "request", "--new-key", "--force", *secret).ok()
    two.root("sign", "ca.csr", "--profile", "ca", "--force").ok()
    two.online("ca", "install", "ca.crt", *secret).ok()
    two.online("revoke", "gone", *secret).ok()
    assert all("ENCRYPTED" in path.read_text() for path in two.online.home.glob("ca*.key"))


def test_a_first_install_that_cannot_be_recorded_puts_nothing_in_place(two):
    """Else there would be a CA whose trail is empty, and saying it again would change nothing."""
    home = two.online.home
    two.online("ca", "request", "Online CA", "--out", "ca.csr").ok()
    two.root("sign", "ca.csr", "--profile", "ca").ok()
    two.online("init", home=home / "old-schema").ok()
    (home / "old-schema/mutual.db").rename(home / "mutual.db")
    with contextlib.closing(sqlite3.connect(home / "mutual.db")) as db:
        db.executescript("DELETE FROM trail_head; DELETE FROM trail; DELETE FROM ca;"
                         "CREATE TRIGGER full BEFORE INSERT ON trail BEGIN SELECT RAISE(ABORT, 'no room'); END")
    two.online("ca", "install", "ca.crt").refused("no room")
    assert not (home / "ca.crt").exists() and not (home / "ca.key").exists()
    with contextlib.closing(sqlite3.connect(home / "mutual.db")) as db:
        db.executescript("DROP TRIGGER full")
    two.online("ca", "install", "ca.crt").ok()
    two.online("audit", "verify").ok()
    two.online("issue", "server", "localhost").ok()
    two.verify("localhost.crt")


@pytest.mark.parametrize("delay_ms", range(0, 12, 2))
def test_an_install_that_is_killed_leaves_the_old_ca_or_the_new(working, delay_ms):
    """Whole in either case, and it can be said again."""
    working.online("ca", "request", "--new-key", "--force").ok()
    working.root("sign", "ca.csr", "--profile", "ca", "--force").ok()
    started = working.online.start("ca", "install", "ca.crt")
    try:
        started.wait(delay_ms / 1000)
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGKILL)
        started.wait()
    working.online("audit", "verify").ok()
    home = working.online.home
    assert public_key(home / "ca.crt", "x509") == public_key(home / "ca.key", "pkey")
    assert certificates(home / "ca-chain.crt")[0] == certificates(home / "ca.crt")[0]
    working.online("issue", "server", "meanwhile.example").ok()
    working.verify("meanwhile.example.crt")
    again = working.online("ca", "install", "ca.crt")
    assert again.code == 0 or "installed already" in again.stderr
    assert certificates(home / "ca.crt")[0] == certificates(working.stick / "ca.crt")[0]
    working.online("issue", "server", "after.example").ok()
    for name in ("before.example.crt", "meanwhile.example.crt", "after.example.crt"):
        working.verify(name)
    working.online("audit", "verify").ok()


def test_a_key_that_is_installed_already_waits_no_more(working):
    """As after a kill between the last two steps of an install."""
    (working.stick / "ca.csr").unlink()
    home = working.online.home
    (home / "ca-request.key").write_bytes((home / "ca.key").read_bytes())
    before = public_key(home / "ca.key", "pkey")
    working.online("ca", "request", "--new-key").ok()
    assert public_key(working.stick / "ca.csr", "req") == public_key(home / "ca-request.key", "pkey") != before
