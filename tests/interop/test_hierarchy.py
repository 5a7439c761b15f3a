"""Chains, and two roots at once: in the middle of a rollover other people's programs, which trust trust.crt, meet what was
issued before it and what was issued after."""
import pytest

from conftest import Mutual
from interop.conftest import World
from peers import CLIENTS, SERVERS, Files, need, run
from test_checks_by_others import zlint_errors

pytestmark = pytest.mark.judged

SHAPES = {"alone": [], "issuing": ["--issuing"]}


@pytest.fixture(scope="module", params=SHAPES)
def both(request, tmp_path_factory):
    """old.crt and new.crt are servers and clients, of before and of after."""
    directory = tmp_path_factory.mktemp(request.param)
    mutual = Mutual(directory / "home", directory)
    mutual("init", *SHAPES[request.param]).ok()
    mutual("issue", "peer", "localhost", "--out", "old").ok()
    mutual("ca", "rollover", "start").ok()
    mutual("issue", "peer", "localhost", "--out", "new").ok()
    mutual("crl").ok()
    return World(directory, mutual, directory / "home/trust.crt")


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_meets_old_and_new(both, make_door, make_client, client):
    for door, own in (("old", "new"), ("new", "old")):
        answer, = make_client(client).fetch(make_door(both.files(door)).port, "1.3", both.files(own))
        assert "Hello World" in answer, (door, own)


@pytest.mark.parametrize("both", ["issuing"], indirect=True)
@pytest.mark.parametrize("server", SERVERS)
def test_every_server_is_met_with_old_and_new(both, make_server, server):
    for theirs, own in (("old", "new"), ("new", "old")):
        met = make_server(server, "1.3", both.files(theirs))
        files = both.files(own)
        result = both.mutual("get", "--cacert", both.ca, "--cert", files.cert, "--key", files.key,
                             f"https://localhost:{met.port}/").ok()
        assert met.greets in result.stdout, (theirs, own)


def test_a_client_that_knows_the_old_root_alone_finds_its_way_to_the_new(both, make_door, make_client):
    """Those who go by RFC 5280 about path lengths, which is to say OpenSSL."""
    old_root = both.directory / "old-root.crt"
    old_root.write_text((both.directory / "home/trust.crt").read_text().split("-----END CERTIFICATE-----\n")[1]
                        + "-----END CERTIFICATE-----\n")
    door = make_door(both.files("new"))
    files = both.files("new")
    for client in ("curl", "python"):
        answer, = make_client(client).fetch(door.port, "1.3", Files(old_root, files.cert, files.key))
        assert "Hello World" in answer, client


def certificates(directory):
    """Each certificate of the CA, and the two that the roots have given each other."""
    for path in sorted((directory / "home").glob("*.crt")):
        for i, block in enumerate(path.read_text().split("-----BEGIN")[1:]):
            one = directory / f"{path.stem}-{i}.pem"
            one.write_text("-----BEGIN" + block)
            yield one


def test_zlint_finds_nothing_in_any_of_them(both):
    need("zlint")
    for path in certificates(both.directory):
        assert zlint_errors(path) == {}, path


def test_each_verifies_by_itself_as_strictly_as_openssl_can(both):
    """Signed by one of the roots, with every extension in its place."""
    for path in certificates(both.directory):
        run(need("openssl"), "verify", "-x509_strict", "-check_ss_sig", "-CAfile", both.ca, path)
    run("openssl", "verify", "-x509_strict", "-crl_check_all", "-CRLfile", both.directory / "home/ca.crl", "-CAfile",
        both.ca, "-untrusted", both.directory / "new.crt", both.directory / "new.crt")
    for name in ("old", "new"):
        told = both.mutual("verify", f"{name}.crt", "--strict", "--crl", both.directory / "home/ca.crl", "--json").json()
        assert told["good"] and told["not_strict"] == [], name
