"""mutual init --import: a CA that another program has made is taken over, and does the daily work from then on."""
import json
import shutil

import pytest

from made import mode, openssl
from peers import need, run

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def by_openssl(cwd):
    run(need("openssl"), "req", "-x509", *EC, "-days", "365", "-subj", "/O=Example/CN=Their CA", "-keyout", "ca.key",
        "-out", "ca.crt", cwd=cwd)
    return cwd / "ca.crt", cwd / "ca.key"


def by_recipe(cwd):
    """X.509 version 1, as the hand-made way without a configuration has it; OpenSSL from 3.4 on has to be told so."""
    words = ["req", "-x509v1", *EC, "-days", "365", "-subj", "/CN=Old CA", "-keyout", "ca.key", "-out", "ca.crt"]
    if run(need("openssl"), *words, cwd=cwd, check=False).returncode == 0:
        return cwd / "ca.crt", cwd / "ca.key"
    run("openssl", "req", *EC, "-subj", "/CN=Old CA", "-keyout", "ca.key", "-out", "ca.csr", cwd=cwd)
    run("openssl", "x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-days", "365", "-out", "ca.crt", cwd=cwd)
    return cwd / "ca.crt", cwd / "ca.key"


def by_easy_rsa(cwd):
    easyrsa = need("easyrsa", path="/usr/share/easy-rsa")
    env = {"PATH": "/usr/bin:/bin", "EASYRSA_PKI": str(cwd / "pki"), "EASYRSA_BATCH": "1", "EASYRSA_ALGO": "ec",
           "EASYRSA_CURVE": "prime256v1", "EASYRSA_REQ_CN": "Their CA"}
    run(easyrsa, "init-pki", cwd=cwd, env=env)
    run(easyrsa, "build-ca", "nopass", cwd=cwd, env=env)
    return cwd / "pki/ca.crt", cwd / "pki/private/ca.key"


def by_cfssl(cwd):
    asked = {"CN": "Their CA", "key": {"algo": "ecdsa", "size": 256}, "names": [{"O": "Example"}]}
    (cwd / "csr.json").write_text(json.dumps(asked))
    made = json.loads(run(need("cfssl"), "gencert", "-initca", "csr.json", cwd=cwd).stdout)
    (cwd / "ca.pem").write_text(made["cert"])
    (cwd / "ca-key.pem").write_text(made["key"])
    return cwd / "ca.pem", cwd / "ca-key.pem"


def by_mkcert(cwd):
    run(need("mkcert"), "theirs.example", cwd=cwd, env={"CAROOT": str(cwd), "PATH": "/usr/bin:/bin", "HOME": str(cwd)})
    return cwd / "rootCA.pem", cwd / "rootCA-key.pem"


def by_minica(cwd):
    """Debian has had two programs of this name."""
    minica = need("minica")
    if "-domains" in run(minica, "-help", check=False).stderr:
        run(minica, "-domains", "theirs.example", cwd=cwd)
        return cwd / "minica.pem", cwd / "minica-key.pem"
    run(minica, "theirs.example", cwd=cwd)
    return cwd / "cacert.crt", cwd / "cakey.key"


def by_step(cwd):
    run(need("step"), "certificate", "create", "Their CA", "ca.crt", "ca.key", "--profile", "root-ca", "--no-password",
        "--insecure", cwd=cwd)
    return cwd / "ca.crt", cwd / "ca.key"


MAKERS = [by_openssl, by_recipe, by_easy_rsa, by_cfssl, by_mkcert, by_minica, by_step]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[3:])
def test_a_ca_of_another_program_is_taken_over(mutual, home, tmp_path, make):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    cert, key = make(theirs)
    mutual("init", "--import", cert, key).ok()
    assert openssl("x509", "-in", home / "ca.crt") == openssl("x509", "-in", cert)
    assert openssl("pkey", "-in", home / "ca.key") == openssl("pkey", "-in", key)
    assert mode(home / "ca.key") == 0o600
    assert not (home / "trust.crt").exists()

    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    for name, purpose in (("localhost", "sslserver"), ("my-client", "sslclient")):
        openssl("verify", "-CAfile", cert, "-purpose", purpose, tmp_path / f"{name}.crt")
        mutual("verify", f"{name}.crt").ok()
        if shutil.which("certtool") and make is not by_recipe:  # to GnuTLS a v1 certificate is no CA
            run("certtool", "--verify", "--load-ca-certificate", cert, "--infile", f"{name}.crt", cwd=tmp_path)
    mutual("renew", "localhost.crt", "--force").ok()
    mutual("ocsp", "request", "localhost.crt").ok()
    mutual("ocsp", "answer", "localhost.req").ok()
    assert mutual("ocsp", "read", "localhost.resp", "--cert", "localhost.crt").ok().stdout == "localhost: good\n"
    mutual("audit", "verify").ok()
    assert "import" in mutual("audit").ok().stdout

    may_sign_lists = "Certificate Sign" not in openssl("x509", "-in", cert, "-noout", "-text") or (
        "CRL Sign" in openssl("x509", "-in", cert, "-noout", "-text"))
    revoked = mutual("revoke", "my-client")
    assert (revoked.code == 0) == may_sign_lists, revoked
    if may_sign_lists:
        assert "revoked" in mutual("verify", "my-client.crt", "--crl", home / "ca.crl").stdout
