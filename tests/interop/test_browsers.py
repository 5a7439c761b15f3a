"""Browsers at `mutual serve` and at `mutual explain --listen`: what is shown, and what each says where nothing is."""
import json
import subprocess

import pytest

import browsers
from peers import PASSPHRASE, need, run

pytestmark = pytest.mark.judged

KINDS = {"chromium": browsers.Chromium, "firefox": browsers.Firefox}


@pytest.fixture(params=KINDS)
def kind(request):
    kind = KINDS[request.param]
    need(kind.program)
    if request.param == "chromium" and not browsers.can_have_policy():
        pytest.skip("chromium would ask which certificate to send, and a policy against that takes a mount namespace")
    return kind


@pytest.fixture
def browser(ours, kind, tmp_path):
    """Started by browser(NAME) or browser(None): it trusts the CA, as `mutual trust` has told it, and has that certificate."""
    started = []

    def start(own):
        database = tmp_path / kind.database
        database.mkdir(parents=True)
        run(need("certutil"), "-N", "-d", f"sql:{database}", "--empty-password")
        ours.mutual("trust", "install", "--only", "nss", "--yes", env={"HOME": tmp_path}).ok()
        if own is not None:
            passphrase, container = tmp_path / "passphrase", tmp_path / "own.p12"
            passphrase.write_text(PASSPHRASE + "\n")
            passphrase.chmod(0o600)
            ours.mutual("export", own, "--p12", container, "--new-passphrase-file", passphrase).ok()
            run(need("pk12util"), "-i", container, "-d", f"sql:{database}", "-K", "", "-w", passphrase)
        started.append(kind(tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def ear(ours):
    """`mutual explain --listen`: (its port, what it says next)."""
    own = ours.files("localhost")
    process = ours.mutual.start("explain", "--listen", "127.0.0.1:0", "--cert", own.cert, "--key", own.key, "--cacert", ours.ca,
                                "--json", stdout=subprocess.PIPE, text=True)
    port = int(json.loads(process.stdout.readline())["listening"].rsplit(":", 1)[1])
    yield port, lambda: json.loads(process.stdout.readline())
    process.kill()
    process.communicate()


def hears(says, cause, code):
    """Who is asked for a certificate goes, looks for one, and comes back; and Firefox comes without, too, before it is needed."""
    while (said := says())["exit"] != code or said["cause"] != cause:
        assert said["cause"] == "client_cert_not_sent", said


def causes(ours, message):
    return ours.mutual("explain", "--error", message, "--json").json()["causes"]


def test_the_page_is_shown_to_who_has_a_certificate(ours, browser, make_door, ear):
    door = make_door(ours.files("localhost"), "--log", "refusals,requests")
    ours.mutual("issue", "server", "strange-server", "--san", "localhost", home=ours.directory / "strange")
    strange = make_door(ours.files("strange-server"))
    one = browser("my-client")
    page = one.open(f"https://localhost:{door.port}/")
    assert (page.status, page.protocol, page.error) == (200, "h2", "") and "Hello World" in page.text
    assert '"CN=my-client"' in door.says(" request ")
    assert causes(ours, one.open(f"https://elsewhere.example:{door.port}/").error)[0] == "server_name_mismatch"
    assert causes(ours, one.open(f"https://localhost:{strange.port}/").error)[0] == "server_untrusted_ca"
    assert strange.says("cause: server_untrusted_ca")
    port, says = ear
    assert one.open(f"https://localhost:{port}/").status == 200
    hears(says, "ok", 0)


def test_who_has_none_is_refused_and_both_ends_know_why(ours, browser, make_door, ear):
    door, one = make_door(ours.files("localhost")), browser(None)
    page = one.open(f"https://localhost:{door.port}/")
    assert page.status == 0 and causes(ours, page.error)[0] == "client_cert_not_sent", page
    assert door.says("cause: client_cert_not_sent")
    port, says = ear
    page = one.open(f"https://localhost:{port}/")
    assert page.status == 403 and "cause: client_cert_not_sent" in page.text
    hears(says, "client_cert_not_sent", 1)
