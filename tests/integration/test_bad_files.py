"""Files that are not what they should be: each is told for what it is, with what to do, and exit status 1."""
import os
import pathlib
import shutil
import tempfile
import threading

import pytest

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
CERTS, KEYS = DATA / "certs", DATA / "keys"
CERT = (CERTS / "client.crt").read_bytes()
URL = "https://localhost:1"  # nothing gets as far as connecting to it

# What is in the file, and what is said about it.
BAD = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\r\n", "nothing but blanks"),
    "cut": (CERT[:300], "cut off"),
    "beheaded": (CERT[100:], "lost its beginning"),
    "cut-der": ((CERTS / "client.der").read_bytes()[:200], "cut off"),
    "trailing-der": ((CERTS / "client.der").read_bytes() + b"\0", "does not end with it"),
    "garbled": (CERT.replace(b"\nMI", b"\n*I", 1), "not base64"),
    "altered": (CERT.replace(b"\nMI", b"\nNI", 1), "cannot be decoded"),
    "binary": (bytes(range(1, 256)) * 8, "binary data"),
    "text": (b"hello\n", "text without a PEM block"),
    "utf16": (CERT.decode().encode("utf-16"), "UTF-16"),
    "utf16-unmarked": (CERT.decode().encode("utf-16-le"), "UTF-16"),
    "joined": (CERT.rstrip() + CERT, "one block ends and the next begins"),
    "one-line": (CERT.replace(b"\n", b" "), "lost its line breaks"),
    "escaped": (CERT.replace(b"\n", b"\\n"), "written as \\n"),
    "carriage-returns": (CERT.replace(b"\n", b"\r"), "carriage returns"),
    "indented": (CERT.replace(b"-----BEGIN", b"  -----BEGIN"), "indented"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
    "jks": (b"\xfe\xed\xfe\xed\0\0\0\2", "Java keystore"),
    "ssh": (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "OpenSSH"),
}

# Every place where a file is read, as a command line with the file's place left open.
PLACES = {
    "inspect": ("inspect", "{}"),
    "verify": ("verify", "{}", "--cacert", CERTS / "ca.crt"),
    "verify --cacert": ("verify", CERTS / "client.crt", "--cacert", "{}"),
    "verify --untrusted": ("verify", CERTS / "client.crt", "--cacert", CERTS / "ca.crt", "--untrusted", "{}"),
    "verify --crl": ("verify", CERTS / "client.crt", "--cacert", CERTS / "ca.crt", "--crl", "{}"),
    "sign": ("sign", "{}"),
    "sign --cacert": ("sign", CERTS / "client.csr", "--out", "out.crt", "--cacert", "{}", "--cakey",
                      KEYS / "test-pkcs8.pem"),
    "sign --cakey": ("sign", CERTS / "client.csr", "--out", "out.crt", "--cacert", CERTS / "ca.crt", "--cakey", "{}"),
    "request --key": ("request", "name", "--key", "{}"),
    "get --cacert": ("get", URL, "--cacert", "{}"),
    "get --cert": ("get", URL, "--cert", "{}", "--key", KEYS / "test-client.pem"),
    "get --key": ("get", URL, "--cert", CERTS / "client.crt", "--key", "{}"),
    "serve --cacert": ("serve", "--cacert", "{}"),
    "serve --cert": ("serve", "--cert", "{}", "--key", KEYS / "test-client.pem"),
    "serve --key": ("serve", "--cert", CERTS / "client.crt", "--key", "{}"),
}


def told(result, path, *words):
    """One sentence that names the file, with these words; a hint; exit status 1."""
    result.refused(*words)
    assert str(path) in result.stderr, result
    assert "\n  hint: " in result.stderr, result
    assert "PRIVATE" not in result.stderr.replace("OPENSSH PRIVATE", ""), result


def fill(place, path):
    return [path if word == "{}" else word for word in PLACES[place]]


@pytest.mark.parametrize("name", BAD)
def test_each_bad_file_is_told_for_what_it_is(mutual, tmp_path, name):
    data, words = BAD[name]
    path = tmp_path / "the-file"
    path.write_bytes(data)
    told(mutual("inspect", path), path, words)
    told(mutual("verify", path, "--cacert", CERTS / "ca.crt"), path, words)


@pytest.mark.parametrize("place", PLACES)
def test_every_place_that_reads_a_file_tells_a_bad_one(ca, mutual, tmp_path, place):
    for name in ("empty", "cut", "binary", "joined"):
        path = tmp_path / name
        path.write_bytes(BAD[name][0])
        told(mutual(*fill(place, path)), path, BAD[name][1])


@pytest.mark.parametrize("place", PLACES)
def test_every_place_that_reads_a_file_tells_what_is_no_file(ca, mutual, tmp_path, place):
    told(mutual(*fill(place, tmp_path)), tmp_path, "is a directory")
    told(mutual(*fill(place, "/dev/null")), "/dev/null", "is empty")
    told(mutual(*fill(place, "not-there")), "not-there", "No such file")
    told(mutual(*fill(place, CERTS / "client.crt" / "below")), "below", "Not a directory")


def test_a_huge_file_is_not_read_to_its_end(mutual, tmp_path):
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    told(mutual("inspect", path), path, "too large")
    told(mutual("inspect", "/dev/zero"), "/dev/zero", "too large")


def test_a_pipe_works_like_a_file(mutual, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def feed(data):
        with path.open("wb") as pipe:
            pipe.write(data)

    for data, code in ((CERT, 0), (b"", 1)):
        writer = threading.Thread(target=feed, args=(data,))
        writer.start()
        assert mutual("inspect", path).code == code
        writer.join()


def test_an_unreadable_file_is_told(mutual):
    home = pathlib.Path(tempfile.mkdtemp())
    try:
        path = home / "secret.key"
        shutil.copy(KEYS / "test-pkcs8.pem", path)
        path.chmod(0)
        prefix = ()
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root reads everything, and setpriv is not there")
            prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
            home.chmod(0o755)
            if mutual("--version", prefix=prefix, cwd="/").code != 0:
                pytest.skip("nobody may run the binary where it is")
        told(mutual("inspect", path, prefix=prefix, cwd="/"), path, "Permission denied")
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("place, path, words", [
    ("verify", KEYS / "test-pkcs8.pem", "holds a private key, not a certificate"),
    ("verify", CERTS / "client.csr", "holds a certificate request, not a certificate"),
    ("verify --cacert", CERTS / "server.crt", "which is not a CA"),
    ("verify --crl", CERTS / "client.crt", "holds a certificate, not a certificate revocation list"),
    ("sign", CERTS / "client.crt", "holds a certificate, not a certificate request"),
    ("sign", KEYS / "test-pkcs8.pem", "holds a private key, not a certificate request"),
    ("get --key", CERTS / "client.crt", "holds a certificate"),
    ("get --key", KEYS / "test-public.pem", "holds a public key"),
    ("get --cert", KEYS / "test-client.pem", "holds a private key, not a certificate"),
    ("serve --key", CERTS / "client.csr", "holds a certificate request"),
])
def test_the_wrong_thing_in_a_file_is_named(ca, mutual, place, path, words):
    told(mutual(*fill(place, path)), path, words)


def test_a_key_of_another_certificate_is_named_with_both_files(ca, mutual):
    result = mutual(*fill("get --key", KEYS / "test-pkcs8.pem"))
    told(result, KEYS / "test-pkcs8.pem", "does not belong to the certificate", "client.crt", '"alice"')


@pytest.mark.parametrize("name", ["test-pkcs8-encrypted.pem", "test-pkcs8-encrypted.der", "test-sec1-encrypted.pem"])
def test_an_encrypted_key_needs_its_passphrase(mutual, tmp_path, name):
    path = KEYS / name
    command = ("request", "name", "--key", path)
    told(mutual(*command, start_new_session=True), path, "protected by a passphrase", "--passphrase-file")
    (tmp_path / "wrong").write_text("not-the-passphrase\n")
    result = mutual(*command, "--passphrase-file", "wrong")
    told(result, path, "does not open")
    assert "not-the-passphrase" not in result.stderr
    (tmp_path / "right").write_text("secret\n")
    mutual(*command, "--passphrase-file", "right").ok()


def test_a_key_encrypted_in_an_old_way_is_told_how_to_convert(mutual, tmp_path):
    (tmp_path / "right").write_text("secret\n")
    path = KEYS / "test-pkcs8-of-old.pem"
    told(mutual("request", "name", "--key", path, "--passphrase-file", "right"), path, "algorithm of old",
         "-provider legacy")
