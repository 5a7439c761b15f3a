"""The hand-made way, in both directions: openssl's files in mutual, and mutual beside openssl, curl and Node.

The recipe's certificates have no alternative name, and those that OpenSSL 3.0 makes are X.509 v1: they work, and
each command that meets them says what is wrong with them.
"""
import pytest

from peers import VERSIONS, need, run

every_version = pytest.mark.parametrize("version", VERSIONS)


def is_v1(cert):
    return "Version: 1 " in run(need("openssl"), "x509", "-in", cert, "-noout", "-text").stdout


def assert_says_what_is_wrong(text, cert, as_client=False):
    """Later versions of openssl than 3.0 make v3 of a request without extensions. A client needs no SAN."""
    assert ("no subjectAltName" in text) == (not as_client)
    assert ("is an X.509 v1 certificate" in text) == is_v1(cert)


@every_version
@pytest.mark.parametrize("client", ["openssl", "curl", "node"])
def test_its_files_serve_its_clients_with_a_warning(recipe, make_door, make_client, client, version):
    door = make_door(recipe.files("server"))
    answer, = make_client(client).fetch(door.port, version, recipe.files("client"))
    assert "Hello World" in answer
    if is_v1(recipe.files("server").cert):
        assert 'the server certificate "localhost": it is an X.509 v1 certificate' in door.says("warning: ")
    assert 'the server certificate "localhost": ' in door.says("no subjectAltName")


def test_mutual_serves_and_gets_with_its_files(recipe, make_door):
    door = make_door(recipe.files("server"))
    client = recipe.files("client")
    result = recipe.mutual("get", "--cacert", client.ca, "--key", client.key, "--cert", client.cert, door.url).ok()
    assert result.stdout == "Hello World"
    assert_says_what_is_wrong(result.stderr, recipe.files("server").cert)
    assert 'the client certificate "my-client" is let in, but ' in door.says(" warning ")


@every_version
@pytest.mark.parametrize("server", ["openssl", "node", "nginx"])
def test_get_with_its_files_goes_to_its_servers(recipe, make_server, server, version):
    peer = make_server(server, version, recipe.files("server"))
    client = recipe.files("client")
    result = recipe.mutual("get", "--cacert", client.ca, "--key", client.key, "--cert", client.cert, peer.url).ok()
    assert peer.greets in result.stdout
    assert_says_what_is_wrong(result.stderr, recipe.files("server").cert)


@pytest.mark.parametrize("name, profile", [("server", "server"), ("client", "client")])
def test_its_ca_and_its_request_make_a_good_certificate(recipe, tmp_path, name, profile):
    out = tmp_path / "new.crt"
    recipe.mutual("sign", f"{name}.csr", "--profile", profile, "--cacert", "ca.crt", "--cakey", "ca.key",
                  "--days", "365", "--out", out).ok()
    run("openssl", "verify", "-purpose", f"ssl{profile}", "-CAfile", recipe.ca, out)  # not strict: see its CA
    assert "none found" in recipe.mutual("inspect", out).ok().stdout


@pytest.mark.parametrize("name", ["server", "client"])
def test_inspect_says_what_is_wrong_with_its_certificates(recipe, name):
    cert = recipe.files(name).cert
    assert_says_what_is_wrong(recipe.mutual("inspect", cert).ok().stdout, cert)
    theirs = run("openssl", "x509", "-in", cert, "-noout", "-text").stdout
    ours = recipe.mutual("inspect", cert, "--text").ok().stdout.split("\n", 1)[1]
    # Later versions of openssl leave the spaces out of names.
    assert theirs.replace(" = ", "=").strip() == ours.replace(" = ", "=").strip()


@pytest.mark.parametrize("name, subject", [("server", ["--host", "localhost"]), ("client", [])])
def test_verify_accepts_its_certificates_and_says_what_is_wrong(recipe, name, subject):
    cert = recipe.files(name).cert
    result = recipe.mutual("verify", cert, "--cacert", recipe.ca, "--purpose", name, *subject).ok()
    assert_says_what_is_wrong(result.stdout + result.stderr, cert, as_client=name == "client")


@every_version
@pytest.mark.parametrize("theirs, mine", [("client", "server"), ("server", "client")])
def test_half_of_the_files_may_be_its_and_half_mutuals(recipe, make_door, make_client, tmp_path, theirs, mine, version):
    """One CA, made by openssl; one certificate by `mutual request` and `mutual sign`, the other by hand."""
    name = {"server": "localhost", "client": "my-client"}[mine]
    recipe.mutual("request", name, cwd=tmp_path).ok()
    recipe.mutual("sign", f"{name}.csr", "--profile", mine, "--cacert", recipe.ca,
                  "--cakey", recipe.directory / "ca.key", cwd=tmp_path).ok()
    files = {theirs: recipe.files(theirs),
             mine: recipe.files(theirs)._replace(cert=tmp_path / f"{name}.crt", key=tmp_path / f"{name}.key")}
    door = make_door(files["server"])
    answer, = make_client("curl").fetch(door.port, version, files["client"])
    assert answer == "Hello World"
