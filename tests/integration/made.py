"""What mutual has made, in the eyes of openssl, which is not its author."""
import os
import re
import subprocess

KEY_TYPES = ["p256", "p384", "p521", "rsa2048", "rsa3072", "ed25519"]  # rsa4096 takes seconds to make


def openssl(*words, cwd=None, input=None):
    """Its standard output; fails as it fails."""
    done = subprocess.run(["openssl", *map(str, words)], cwd=cwd, input=input, capture_output=True, check=False)
    assert done.returncode == 0, f"openssl {words}: {done.stderr.decode()}"
    return done.stdout.decode()


def text(cert):
    return openssl("x509", "-in", cert, "-noout", "-text")


def names(cert):
    """The subjectAltName, in openssl's spelling."""
    shown = openssl("x509", "-in", cert, "-noout", "-ext", "subjectAltName")
    return [name.strip() for name in shown.split("\n")[1].split(",")]


def subject(cert):
    return openssl("x509", "-in", cert, "-noout", "-subject", "-nameopt", "oneline,utf8,-esc_msb").strip()


def serial(cert):
    return openssl("x509", "-in", cert, "-noout", "-serial").strip().split("=")[1]


def lifetime(cert):
    """Seconds from notBefore to notAfter."""
    import ssl
    dates = dict(line.split("=") for line in openssl("x509", "-in", cert, "-noout", "-dates").split("\n") if line)
    return ssl.cert_time_to_seconds(dates["notAfter"]) - ssl.cert_time_to_seconds(dates["notBefore"])


def public_key(path, kind):
    """`kind` is what the file holds: x509, req or pkey."""
    return openssl(*{"x509": ["x509", "-noout"], "req": ["req", "-noout"], "pkey": ["pkey"]}[kind],
                   "-in", path, "-pubout" if kind == "pkey" else "-pubkey")


def verify(ca_cert, cert, purpose):
    openssl("verify", "-x509_strict", "-CAfile", ca_cert, "-purpose", f"ssl{purpose}", cert)


def is_whole_pair(prefix):
    """PREFIX.crt and PREFIX.key are complete and belong together."""
    assert public_key(f"{prefix}.crt", "x509") == public_key(f"{prefix}.key", "pkey")
    assert mode(f"{prefix}.key") == 0o600
    assert mode(f"{prefix}.crt") == 0o644


def mode(path):
    return os.stat(path).st_mode & 0o7777


def files(*directories):
    """Everything that is there, hidden files too, by path."""
    return sorted(os.path.relpath(os.path.join(where, name), directory)
                  for directory in directories for where, _, found in os.walk(directory) for name in found)


def fingerprint(cert):
    return re.sub(".*=", "", openssl("x509", "-in", cert, "-noout", "-fingerprint", "-sha256")).strip()


def leave_midway(home, *names):
    """As a change of these files leaves them that is killed just before they become the new ones: see base/swap.h."""
    swap = home / ".mutual-0123456789abcdef"
    for part in ("old", "new", "link"):
        (swap / part).mkdir(parents=True)
    (swap / "now").symlink_to("old")
    for n, name in enumerate(names):
        hidden = f".mutual-00000000000{n}.tmp"
        (home / name).rename(home / hidden)
        (home / name).symlink_to(f"{swap.name}/now/{n}")
        (swap / str(n)).symlink_to(f"../{name}")
        (swap / "old" / str(n)).symlink_to(f"../../{hidden}")
