"""Keys that lie in a token: PKCS#11 URIs wherever a file with a key can be named. The token is SoftHSM's."""
import concurrent.futures
import glob
import os
import shutil
import stat
import subprocess
import types

import pytest

from conftest import BINARY, WAIT
from door import SANITIZED, Door, connect, context, read_answer
from terminal import answer

PIN, WRONG = "583910", "111111"
MODULE = next(iter(glob.glob("/usr/lib/*/softhsm/libsofthsm2.so") + glob.glob("/usr/lib/softhsm/libsofthsm2.so")), None)
# The provider loads modules in a way (RTLD_DEEPBIND) that a program with AddressSanitizer is stopped for.
PROVIDER = not SANITIZED and bool(glob.glob("/usr/lib/*/ossl-modules/pkcs11.so"))
KINDS = {"ca": ("EC:prime256v1", "01"), "big": ("EC:secp384r1", "02"), "rsa": ("rsa:2048", "03"),
         "server": ("EC:prime256v1", "04"), "client": ("EC:prime256v1", "05"), "twin": ("EC:prime256v1", "06")}

pytestmark = pytest.mark.skipif(
    MODULE is None or not shutil.which("softhsm2-util") or not shutil.which("pkcs11-tool"),
    reason="softhsm2 and opensc are not installed")


def run(*words, **popen):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=WAIT, check=True, **popen).stdout


def make_key(token, name, kind, number):
    run("pkcs11-tool", "--module", MODULE, "--token-label", token, "--login", "--pin", PIN, "--keypairgen",
        "--key-type", kind, "--id", number, "--label", name)


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """Two tokens, "home" and "edwards", and the URIs of the keys in them."""
    place = tmp_path_factory.mktemp("token")
    (place / "tokens").mkdir()
    (place / "softhsm2.conf").write_text(f"directories.tokendir = {place}/tokens\nobjectstore.backend = file\n")
    (place / "pin").write_text(PIN + "\n")
    (place / "wrong").write_text(WRONG + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(place / "softhsm2.conf"))
        if SANITIZED:
            patch.setenv("OPENSSL_MODULES", str(place))
        for name in ("home", "edwards"):
            run("softhsm2-util", "--init-token", "--free", "--label", name, "--so-pin", "1234567", "--pin", PIN)
        for name, (kind, number) in KINDS.items():
            make_key("home", name, kind, number)
        make_key("home", "twin", "EC:prime256v1", "07")
        make_key("home", "half", "EC:prime256v1", "08")
        run("pkcs11-tool", "--module", MODULE, "--token-label", "home", "--login", "--pin", PIN, "--delete-object",
            "--type", "pubkey", "--id", "08")
        make_key("edwards", "ed", "EC:edwards25519", "01")
        query = f"module-path={MODULE}&pin-source=file:{place}/pin"
        yield types.SimpleNamespace(
            place=place, pin=place / "pin", wrong=place / "wrong", query=query,
            uri=lambda name, token="home": f"pkcs11:token={token};object={name}?{query}",
            bare=lambda name, token="home": f"pkcs11:token={token};object={name}?module-path={MODULE}")


@pytest.fixture
def ca(mutual, home, token):
    mutual("init", "--key", token.uri("ca")).ok()
    return home


@pytest.mark.parametrize("name, kind", [("ca", "EC P-256"), ("big", "EC P-384"), ("rsa", "RSA 2048")])
def test_a_ca_whose_key_is_in_a_token_issues_and_revokes_as_any_other(mutual, home, token, tmp_path, name, kind):
    told = mutual("init", "Token CA", "--key", token.uri(name), "--json").ok().json()
    assert told["key_type"] == kind and told["key_uri"] == token.uri(name)
    assert (home / "ca.key").read_text() == token.uri(name) + "\n"
    assert stat.S_IMODE((home / "ca.key").stat().st_mode) == 0o600
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "me").ok()
    mutual("revoke", "me").ok()
    mutual("crl").ok()
    run("openssl", "verify", "-x509_strict", "-CAfile", home / "ca.crt", "localhost.crt", cwd=tmp_path)
    run("openssl", "crl", "-in", home / "ca.crl", "-noout", "-CAfile", home / "ca.crt")
    mutual("verify", "localhost.crt", "--strict").ok()
    mutual("audit", "verify").ok()
    for path in home.rglob("*"):
        assert path.is_dir() or PIN.encode() not in path.read_bytes()


def test_wherever_a_file_with_a_key_can_be_named_a_uri_can_be(mutual, ca, token, tmp_path):
    mutual("request", "localhost", "--key", token.uri("server")).ok()
    run("openssl", "req", "-in", "localhost.csr", "-verify", "-noout", cwd=tmp_path)
    mutual("request", "me", "--key", token.uri("client")).ok()
    mutual("sign", "localhost.csr", "--cacert", ca / "ca.crt", "--cakey", token.uri("ca")).ok()
    mutual("sign", "me.csr", "--profile", "client").ok()
    (tmp_path / "me.key").write_text(token.uri("client") + "\n")

    mutual("ocsp", "request", "me.crt", "--out", "question.der").ok()
    mutual("ocsp", "answer", input=(tmp_path / "question.der").read_bytes(), stdout=(tmp_path / "said.der").open("wb")).ok()
    assert "good" in run("openssl", "ocsp", "-respin", "said.der", "-issuer", ca / "ca.crt", "-cert", "me.crt",
                         "-CAfile", ca / "ca.crt", "-no_nonce", cwd=tmp_path)

    told = mutual("inspect", token.uri("client"), "me.crt").ok().stdout
    assert "a private key in a token" in told and 'belongs to   the certificate "me"' in told

    with Door(tmp_path, "--cert", "localhost.crt", "--key", token.uri("server"), home=ca) as door:
        assert "hello" in mutual("get", door.url, "--cert", "me.crt", "--key", token.uri("client")).ok().stdout.lower()
        mutual("get", door.url, "--as", "me").ok()
        assert door.stop() == 0


def test_many_handshakes_at_once_are_signed_by_the_token(mutual, ca, token, tmp_path):
    mutual("request", "localhost", "--key", token.uri("server")).ok()
    mutual("sign", "localhost.csr").ok()
    mutual("issue", "client", "me").ok()
    client = context(ca / "ca.crt", tmp_path / "me.crt", tmp_path / "me.key")

    def visit(_):
        with connect(door, client) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return read_answer(sock)[0]

    with Door(tmp_path, "--cert", "localhost.crt", "--key", token.uri("server"), home=ca) as door:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert set(pool.map(visit, range(48))) == {200}
        assert door.stop() == 0


def test_the_pin_comes_from_a_file_or_from_the_terminal_and_only_so(mutual, home, token, tmp_path):
    mutual("init", "--key", token.bare("ca"), prefix=["setsid"]).refused('the token "home" (its PIN)')
    assert not home.exists()
    mutual("init", "--key", token.bare("ca"), "--passphrase-file", token.pin).ok()
    mutual("issue", "client", "a", env={"MUTUAL_PASSPHRASE_FILE": token.pin}).ok()
    code, shown = answer(mutual, ["issue", "client", "b"], [PIN])
    assert code == 0 and 'Passphrase for the token "home" (its PIN): ' in shown and PIN not in shown
    code, shown = answer(mutual, ["issue", "client", "c"], [WRONG])
    assert code == 1 and 'the PIN is not that of the token "home"' in shown and WRONG not in shown
    assert not (tmp_path / "c.crt").exists()


@pytest.mark.parametrize("uri, said, advised, code", [
    ("pkcs11:token=other;object=ca?{query}", 'no token "other"', '"edwards"', 1),
    ("pkcs11:token=home;object=other?{query}", 'no private key "other" in the token "home"', '"ca;id=%01"', 1),
    ("pkcs11:token=home;object=half?{query}", "the key", "public", 1),
    ("pkcs11:token=home;object=twin?{query}", "several private keys", "id=", 1),
    ("pkcs11:object=ca?{query}", "several tokens", "token=", 1),
    ("pkcs11:token=home;object=ca?module-path={module}&pin-source=file:{wrong}", "the PIN is not that of", "a few wrong ones", 1),
    ("pkcs11:token=home;object=ca?module-path={module}&pin-source=file:/no/pin", "/no/pin", "", 1),
    ("pkcs11:token=home;object=ca?module-path={module}&pin-source=%7Ccat%20{wrong}", "pin-source names a file", "", 2),
    ("pkcs11:token=home;object=ca?module-path=/no/module.so", "no PKCS#11 module /no/module.so", "install", 1),
    ("pkcs11:token=home;object=ca?module-path=module.so", "module-path is an absolute path", "", 2),
    ("pkcs11:token=home;object=ca?module-path={libc}", "cannot be loaded", "PKCS#11 module", 1),
    ("pkcs11:token=home;object=ca?module-path={module}&pin-value=583910", "must not hold the PIN", "change the PIN", 2),
    ("pkcs11:token=home;object=a b?{query}", "%20", "RFC 7512", 2),
    ("pkcs11:token=home;type=cert?{query}", "type=private", "RFC 7512", 2),
])
def test_what_is_wrong_with_a_uri_is_told_in_words(mutual, home, token, uri, said, advised, code):
    libc = glob.glob("/lib/*/libc.so.6")[0]
    uri = uri.format(query=token.query, module=MODULE, wrong=token.wrong, libc=libc)
    for words in (["init", "--key", uri], ["inspect", uri]):
        got = mutual(*words)
        assert (got.code == code or words[0] == "inspect") and said in got.stderr and advised in got.stderr, got
        assert PIN not in got.stderr and WRONG not in got.stderr and PIN not in got.stdout
    assert not home.exists()


def test_two_keys_of_one_name_are_told_apart_by_their_ids(mutual, token):
    seen = {mutual("inspect", "--json", f"pkcs11:token=home;object=twin;id=%0{n}?{token.query}").ok().json()
            ["objects"][0]["key_sha256"] for n in (6, 7)}
    assert len(seen) == 2


def test_a_module_that_others_can_change_is_not_loaded(mutual, token, tmp_path):
    module = tmp_path / "module.so"
    shutil.copy(MODULE, module)
    module.chmod(0o666)
    mutual("request", "a", "--key", f"pkcs11:token=home;object=ca?module-path={module}").refused("is not used")
    module.chmod(0o664)
    os.chown(module, -1, 1 if os.getuid() == 0 else os.getgid())
    mutual("request", "a", "--key", f"pkcs11:token=home;object=ca?module-path={module}").refused("is not used")


def test_the_module_may_be_named_by_the_environment(mutual, token):
    uri = f"pkcs11:token=home;object=ca?pin-source=file:{token.pin}"
    mutual("request", "a", "--key", uri, env={"PKCS11_MODULE_PATH": MODULE}).ok()
    mutual("request", "b", "--key", uri, env={"PKCS11_PROVIDER_MODULE": MODULE}).ok()


def test_a_file_that_names_a_key_is_described_but_opens_no_token(mutual, token, tmp_path):
    (tmp_path / "a.key").write_text("pkcs11:token=home;object=ca?module-path=/no/module.so\n")
    told = mutual("inspect", "a.key").ok().stdout
    assert "module-path=/no/module.so" in told and "not looked at" in told
    mutual("request", "a", "--key", "a.key").refused("no PKCS#11 module /no/module.so")
    (tmp_path / "b.key").write_text(f"pkcs11:token=home;object=ca?module-path={MODULE}&pin-value={PIN}\n")
    for words in (["inspect", "b.key"], ["request", "b", "--key", "b.key"]):
        got = mutual(*words)
        assert got.code == 1 and "b.key: a PKCS#11 URI must not hold the PIN" in got.stderr and PIN not in got.stderr, got


def test_init_takes_no_key_from_a_file(mutual, home, tmp_path):
    mutual("request", "a").ok()
    mutual("init", "--key", "a.key").refused("a.key holds a private key; this takes the name of a private key in a token")
    mutual("init", "--key", "a.key", "--key-type", "p256").refused("--key-type makes a new one", code=2)
    assert not home.exists()


def test_a_key_can_be_made_in_the_token_and_does_not_leave_it(mutual, home, token, tmp_path):
    mutual("init", "--key", token.uri("made"), "--key-type", "p384").ok()
    mutual("request", "made", "--key", token.uri("made-rsa"), "--key-type", "rsa2048").ok()
    mutual("sign", "made.csr", "--profile", "client").ok()
    run("openssl", "verify", "-x509_strict", "-CAfile", home / "ca.crt", "made.crt", cwd=tmp_path)
    told = run("pkcs11-tool", "--module", MODULE, "--token-label", "home", "--login", "--pin", PIN, "--list-objects",
               "--type", "privkey")
    mine = [one for one in told.split("Private Key Object") if "made" in one]
    assert len(mine) == 2 and all("never extractable" in one and "sensitive" in one for one in mine), told
    before = (home / "ca.crt").read_bytes()
    for words, said, code in [
            (["init", "--key", token.uri("made2"), "--key-type", "p256"], "there is a CA in", 1),
            (["init", "--key", token.uri("made"), "--key-type", "p256", "--force"], "a key of that name", 1),
            (["request", "x", "--key", token.uri("made"), "--key-type", "p256"], "a key of that name", 1),
            (["request", "x", "--key", token.uri("made3"), "--key-type", "ed25519"], "not made in a token", 1),
            (["request", "x", "--key", token.uri("made3"), "--key-type", "nonsense"], "not a key type", 2),
            (["request", "x", "--key", f"pkcs11:token=home?{token.query}", "--key-type", "p256"], "object=NAME", 2)]:
        mutual(*words).refused(said, code=code)
    assert (home / "ca.crt").read_bytes() == before
    for name in ("made2", "made3"):
        assert "no private key" in mutual("inspect", token.uri(name)).stderr, "nothing is left in the token"


def test_what_would_need_the_key_itself_says_where_it_is(mutual, ca, token, tmp_path):
    mutual("request", "me", "--key", token.uri("client")).ok()
    mutual("sign", "me.csr", "--profile", "client").ok()
    before = (tmp_path / "me.crt").read_bytes()
    (tmp_path / "me.key").write_text(token.uri("client") + "\n")
    (tmp_path / "new").write_text("a passphrase\n")
    mutual("export", "me", "--p12", "me.p12", "--new-passphrase-file", "new").refused("does not give it away")
    mutual("export", "me", "--pem-bundle", "me.pem").refused("does not give it away")
    mutual("export", "me", "--der", "me.der").ok()
    mutual("renew", "me.crt").refused("no new one is made", "--keep-key")
    assert (tmp_path / "me.crt").read_bytes() == before
    mutual("renew", "me.crt", "--keep-key").ok()
    assert (tmp_path / "me.crt").read_bytes() != before and (tmp_path / "me.key").read_text() == token.uri("client") + "\n"

    mutual("ca", "passwd", "--new-passphrase-file", "new").refused("no passphrase but the token's PIN", "--change-pin")
    assert "the CA's key is in a token, and there" in mutual("health").stdout
    assert mutual("backup", "one.backup", "--json").ok().json()["key_in_token"] is True
    assert "not in it, but where it is" in mutual("backup", "two.backup").ok().stderr
    restored = tmp_path / "restored"
    mutual("restore", "one.backup", home=restored).ok()
    mutual("issue", "client", "again", home=restored).ok()


def test_a_pin_protects_no_file(mutual, home, token, tmp_path):
    """It is short, and a file can be tried at leisure: the successor's passphrase is its own, or there is none."""
    mutual("init", "--key", token.bare("ca"), "--passphrase-file", token.pin).ok()
    mutual("ca", "rollover", "start", "--key-type", "p256", "--passphrase-file", token.pin).ok()
    assert (home / "ca.key").read_text().startswith("-----BEGIN PRIVATE KEY-----")


def test_health_tells_of_a_token_that_is_gone_and_asks_for_no_pin(mutual, home, token):
    mutual("init", "--key", token.bare("ca"), "--passphrase-file", token.pin).ok()
    assert "in a token that is there" in mutual("health").stdout
    (home / "ca.key").write_text(token.bare("ca", token="gone") + "\n")
    assert 'there is no token "gone"' in mutual("health").stdout


def test_the_key_of_another_ca_in_the_token_is_not_taken_for_this_one(mutual, ca, token):
    (ca / "ca.key").write_text(token.uri("server") + "\n")
    mutual("issue", "client", "me").refused("ca.key", "belong")


def test_an_ed25519_key_works_where_the_provider_is_and_is_refused_in_words_elsewhere(mutual, home, token, tmp_path):
    uri = token.uri("ed", token="edwards")
    got = mutual("init", "--key", uri)
    if not PROVIDER:
        got.refused("libp11 knows no Ed25519 keys in a token", "P-256")
        return
    got.ok()
    mutual("issue", "client", "me").ok()
    run("openssl", "verify", "-x509_strict", "-CAfile", home / "ca.crt", "me.crt", cwd=tmp_path)


def test_without_provider_and_libp11_the_package_is_named_and_all_else_works(mutual, token, tmp_path):
    (tmp_path / "libp11.so.3").write_text("no library\n")
    env = {"OPENSSL_MODULES": tmp_path, "LD_LIBRARY_PATH": tmp_path}
    mutual("request", "a", "--key", token.uri("ca"), env=env).refused("libp11.so.3", "apt install")
    mutual("init", env=env).ok()


@pytest.mark.skipif(not PROVIDER, reason="there is no PKCS#11 provider here, so libp11 is what the other tests use")
def test_libp11_takes_the_place_of_a_provider_that_is_not_there(mutual, token, tmp_path):
    if not glob.glob("/usr/lib/*/libp11.so.3"):
        pytest.skip("libp11 is not installed")
    env = {"OPENSSL_MODULES": tmp_path}
    mutual("init", "--key", token.uri("ca"), env=env).ok()
    mutual("issue", "client", "me", env=env).ok()
