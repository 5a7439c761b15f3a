"""The commands that mend: each of the table is run, with its places filled, in a directory where all that it needs lies."""
import base64
import os
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import BINARY, WAIT, environment
from door import Door

# What the cause is about lies in FILE.
KINDS = {"crl_": "ca.crl", "csr_": "client.csr", "pkcs12_": "client.p12", "key_encrypted": "locked.key", "key_wrong": "locked.key",
         "public_key": "public.pem", "file_is_der": "client.der", "cert_key_swapped": "client.key", "pem_wrong": "utf16.pem",
         "intermediate_expired": "ca.crt", "trust_": "ca.crt", "ca_": "ca.crt", "server_": "server.crt"}
# For these there is nothing to run in a scratch directory: other people's machines, and a clock that is right.
ELSEWHERE = ("timedatectl", "kill -HUP", "keytool", "getent", "ss -tn", "nc ", "curl ", "openssl s_server", "-starttls", "ORIGIN:",
             "pkcs12 -in NEW.p12")
# They ask for what the scratch directory has not: no usage error, but no success either.
FAIL = ("mutual ca request",  # of the root that it is, which has nobody above it
        "--profile ca",  # a CA's request is made in another way
        "openssl ca ",  # which wants a configuration
        "openssl s_client")  # and the door a certificate
MISUSED = re.compile(r"usage|unknown option|unrecognized|invalid|extra argument", re.I)


@pytest.fixture
def scratch(mutual, place):
    """A home CA, one pair of each kind under the names that the table uses, and every other file of it."""
    home = place / "scratch-home"
    shutil.copytree(mutual.home, home)
    made = place / "scratch"
    made.mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], cwd=made, check=True, capture_output=True)
    for name, source in [("client", "my-client"), ("server", "localhost"), ("bob", "my-client")]:
        shutil.copy(place / f"{source}.crt", made / f"{name}.crt")
        shutil.copy(place / f"{source}.key", made / f"{name}.key")
    shutil.copy(home / "ca.key", made / "ca.key")
    shutil.copy(home / "ca.crt", made / "ca.crt")
    mutual("crl", "-o", made / "ca.crl", home=home).ok()
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "root.key", "-subj",
            "/CN=Root", "-out", "root.crt")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "issuing.key", "-subj",
            "/O=Us/CN=Issuing", "-CA", "root.crt", "-CAkey", "root.key", "-out", "issuing.crt")
    for name in ("old-ca", "new-ca"):
        shutil.copy(made / "ca.crt", made / f"{name}.crt")
    openssl("req", "-x509", "-key", "ca.key", "-subj", "/CN=my-ca", "-CA", "root.crt", "-CAkey", "root.key", "-out", "intermediate.crt")
    for name in ("intermediate", "root"):
        shutil.copy(made / "ca.crl", made / f"{name}.crl")
    shutil.copy(made / "client.crt", made / "leaf.crt")
    shutil.copy(made / "client.crt", made / "ORIGINAL")
    openssl("req", "-new", "-key", "client.key", "-subj", "/CN=alice", "-out", "client.csr")
    openssl("pkey", "-in", "client.key", "-pubout", "-out", "public.pem")
    openssl("x509", "-in", "client.crt", "-outform", "DER", "-out", "client.der")
    openssl("pkcs12", "-export", "-in", "client.crt", "-inkey", "client.key", "-passout", "pass:word", "-out", "client.p12")
    openssl("pkey", "-in", "client.key", "-aes128", "-passout", "pass:word", "-out", "locked.key")
    (made / "pass.txt").write_text("word\n")
    (made / "utf16.pem").write_bytes((made / "client.crt").read_text().encode("utf-16"))
    return made, home


def commands(mutual):
    """Each once, with the kind of file that it is about."""
    seen = {}
    for cause in mutual("explain", "--list", "--json").ok().json():
        file = next((file for start, file in KINDS.items() if cause["id"].startswith(start)), "client.crt")
        for at_holder in cause["remedies"].values():
            for command in at_holder.values():
                seen.setdefault(command, (cause["id"], file))
    return {command: of for command, of in seen.items() if command}


def fill(command, file, port):
    words = {"FILE": file, "KEY": "client.key", "NAME": "bob", "HOST": "localhost", "HOST:PORT": f"localhost:{port}", "PORT": str(port),
             "URL": f"https://localhost:{port}", "ADDRESS": "alice@example.com", "N": "100"}
    if command.startswith("cp "):
        words["FILE"] = "broken"
    if file == "client.key":
        words["KEY"] = "client.crt"
    return re.sub(r"\b(HOST:PORT|HOST|PORT|URL|FILE|KEY|NAME|ADDRESS|N)\b(?!\.(?:key|pem|crt))", lambda word: words[word[0]], command)


def served(command, work, home):
    """It stays, which is what it does when nothing is wrong."""
    words = [word for word in shlex.split(command)[2:] if not word.startswith("--listen")]
    with Door(work, *(word for word in words if not word.startswith("localhost:")), home=home):
        pass


def run(command, work, home):
    """None, or what it says."""
    env = {**environment(home), "PATH": f"{os.path.dirname(BINARY)}:{os.environ['PATH']}"}
    if command.startswith("mutual serve"):
        return served(command, work, home)
    done = subprocess.run(["sh", "-c", command], cwd=work, env=env, input="word\n", capture_output=True, text=True, timeout=WAIT,
                          check=False)
    nobody = command.startswith("mutual get") and "--cert " not in command  # who does not get past the door
    if (nobody or any(word in command for word in FAIL)) and not MISUSED.search(done.stderr):
        return None
    return None if done.returncode == 0 else f"{command}: {done.returncode} {done.stderr}{done.stdout[:300]}"


def test_no_command_of_the_table_is_used_wrongly(mutual, scratch, tmp_path):
    place, home = scratch
    wrong = []
    with Door(tmp_path, "--cert", place / "server.crt", "--key", place / "server.key", home=home) as door:
        for i, (command, (cause, file)) in enumerate(commands(mutual).items()):
            if any(word in command for word in ELSEWHERE) or command.startswith("file "):
                continue
            work = tmp_path / f"run{i}"
            shutil.copytree(place, work)
            if "mutual issue" in command:  # it does not replace what is there
                (work / "bob.key").unlink()
                (work / "bob.crt").unlink()
            if "mutual init" not in command:
                shutil.copytree(home, work / "home")
            said = run(fill(command, file, door.port), work, work / "home")
            if said is not None:
                wrong.append(f"{cause}: {said}")
    assert not wrong, "\n".join(wrong)


def test_what_openssl_makes_anew_is_in_order(mutual, scratch):
    """What the table's openssl commands make is judged by the strictest, and what was issued before stays good."""
    place, home = scratch
    table = {cause["id"]: cause["remedies"] for cause in mutual("explain", "--list", "--json").ok().json()}

    def make(cause, holder):
        said = run(fill(table[cause][holder]["openssl"], "client.crt", 1), place, home)
        assert said is None, said
        return place / "NEW.crt", place / "NEW.key"
    for cause in ("key_too_small", "signature_too_weak", "client_cert_expired", "email_not_in_san"):
        cert, key = make(cause, "client")
        mutual("explain", "--cert", cert, "--key", key, "--server-cacert", place / "ca.crt").ok()
    for cause in ("key_too_small", "server_no_san", "server_untrusted_ca"):
        cert, key = make(cause, "server")
        mutual("explain", "--server-cert", cert, "--server-key", key, "--cacert", place / "ca.crt", "--host", "localhost").ok()
    for cause in ("ca_cert_expired", "ca_not_strict_profile"):
        cert, _ = make(cause, "ca")
        mutual("explain", "--cert", place / "client.crt", "--key", place / "client.key", "--server-cacert", cert).ok()
    cert, key = make("key_too_small", "ca")
    mutual("explain", cert, key).ok()
    for cause in ("intermediate_expired", "issuer_not_ca", "key_too_small"):
        cert, _ = make(cause, "issuing-ca")
        mutual("verify", cert, "--cacert", place / "root.crt").ok()


def test_a_key_that_is_written_anew_is_for_its_owner_alone(mutual, scratch):
    place, home = scratch
    key = (place / "client.key").read_bytes()
    for name, text in {"wide": key.decode().encode("utf-16"), "old": key.replace(b"\n", b"\r"), "coded": base64.b64encode(key)}.items():
        (place / f"{name}.key").write_bytes(text)
        told = mutual("explain", "--cert", place / "client.crt", "--key", f"{name}.key", "--json", cwd=place).json()["findings"][0]
        for command in {told["remedy"], told["openssl"]}:
            assert run(command, place, home) is None
            made = place / "NEW.pem"
            assert made.stat().st_mode & 0o077 == 0, command
            mutual("explain", "--cert", place / "client.crt", "--key", made, "--server-cacert", place / "ca.crt").ok()
            made.unlink()
