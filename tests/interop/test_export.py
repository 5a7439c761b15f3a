"""The containers that `mutual export` makes, opened by everybody who opens containers."""
import pytest

from peers import PASSPHRASE, Files, need, run

pytestmark = pytest.mark.judged


@pytest.fixture(params=[(kind, legacy) for kind in ("p256", "rsa2048", "ed25519") for legacy in (False, True)],
                ids=lambda param: param[0] + ("-legacy" if param[1] else ""))
def container(request, mutual, ca, tmp_path):
    key_type, legacy = request.param
    (tmp_path / "secret").write_text(PASSPHRASE + "\n")
    mutual("issue", "client", "my-client", "--key-type", key_type).ok()
    mutual("export", "my-client", "--p12", "c.p12", "--passphrase-file", "secret", *["--legacy"] * legacy).ok()
    return tmp_path / "c.p12"


def pem_of(tmp_path):
    return "".join((tmp_path / "my-client.crt").read_text().split("\n")[1:-2])


def test_openssl_opens_it(container, tmp_path):
    said = run(need("openssl"), "pkcs12", "-in", container, "-passin", f"pass:{PASSPHRASE}", "-nodes").stdout
    assert said.count("BEGIN CERTIFICATE") == 2 and said.count("BEGIN PRIVATE KEY") == 1
    assert pem_of(tmp_path) in said.replace("\n", "")
    assert run("openssl", "pkcs12", "-in", container, "-passin", "pass:wrong", check=False).returncode != 0


def test_certtool_opens_it(container, tmp_path):
    said = run(need("certtool"), "--p12-info", "--inder", "--infile", container, "--password", PASSPHRASE).stdout
    assert said.count("BEGIN CERTIFICATE") == 2 and "Friendly name: my-client" in said
    assert pem_of(tmp_path) in said.replace("\n", "")


def test_keytool_opens_it(container):
    said = run(need("keytool"), "-list", "-v", "-keystore", container, "-storetype", "PKCS12", "-storepass",
               PASSPHRASE).stdout
    assert "Alias name: my-client" in said and "Entry type: PrivateKeyEntry" in said
    assert "Certificate chain length: 2" in said


def test_nss_takes_it_in(container, request, tmp_path):
    if "ed25519" in request.node.name:
        pytest.skip("NSS keeps no Ed25519 keys")
    database = tmp_path / "nss"
    database.mkdir()
    run(need("certutil"), "-N", "-d", f"sql:{database}", "--empty-password")
    run(need("pk12util"), "-i", container, "-d", f"sql:{database}", "-K", "", "-W", PASSPHRASE)
    assert "my-client" in run("certutil", "-K", "-d", f"sql:{database}").stdout
    assert "u,u,u" in run("certutil", "-L", "-d", f"sql:{database}").stdout


def test_pythons_cryptography_opens_it(container):
    try:
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError:
        pytest.skip("Python's cryptography is not installed")
    opened = pkcs12.load_pkcs12(container.read_bytes(), PASSPHRASE.encode())
    assert opened.key is not None and opened.cert.friendly_name == b"my-client"
    assert [str(one.certificate.subject.rfc4514_string()) for one in opened.additional_certs] == ["CN=my-ca"]


def test_curl_goes_through_the_door_with_it(container, ca, make_door, mutual, tmp_path):
    mutual("issue", "server", "localhost").ok()
    door = make_door(Files(ca / "ca.crt", tmp_path / "localhost.crt", tmp_path / "localhost.key"))
    said = run(need("curl"), "-sS", "--cacert", ca / "ca.crt", "--cert-type", "P12", "--cert",
               f"{container}:{PASSPHRASE}", door.url).stdout
    assert said == "Hello World"


def test_java_goes_through_the_door_with_it(container, ca, make_door, mutual, tmp_path, workshop):
    mutual("issue", "server", "localhost").ok()
    door = make_door(Files(ca / "ca.crt", tmp_path / "localhost.crt", tmp_path / "localhost.key"))
    lines = run(*workshop.java(), "client", door.port, "1.3", ca / "ca.crt", container, 1).stdout.splitlines()
    assert lines == ["200 Hello World"]


MAIN = """
public class Main {
    public static void main(String[] words) throws Exception {
        System.out.print(new String(new java.net.URL(words[0]).openStream().readAllBytes()));
    }
}
"""


def test_java_needs_no_more_than_what_the_help_says(mutual, ca, make_door, tmp_path):
    """The lines of `mutual export --help` themselves, with a passphrase for each "..."."""
    for name in ("server", "client"):
        mutual("issue", name, {"server": "localhost", "client": "my-client"}[name]).ok()
    (tmp_path / "secret").write_text(PASSPHRASE + "\n")
    (tmp_path / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    (tmp_path / "Main.java").write_text(MAIN)
    mutual("export", "my-client", "--p12", "my-client.p12", "--passphrase-file", "secret").ok()
    lines = [line.strip() for line in mutual("export", "--help").ok().stdout.split("\n")]
    keytool, = [line.split() for line in lines if line.startswith("keytool ")]
    options = [line.replace("...", PASSPHRASE) for line in lines if line.startswith("-Djavax.net.ssl.")]
    (tmp_path / "tls.opts").write_text("\n".join(options))
    run(need("keytool"), *keytool[1:], "-storepass", PASSPHRASE, cwd=tmp_path)
    door = make_door(Files(ca / "ca.crt", tmp_path / "localhost.crt", tmp_path / "localhost.key"))
    assert run(need("java"), "@tls.opts", "Main.java", door.url, cwd=tmp_path).stdout == "Hello World"
