"""The units for systemd: what systemd says of them, and that what they call is there."""
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import BINARY, ROOT, WAIT
from made import mode
from test_tunnel import Tunnel

UNITS = ROOT / "packaging"


@pytest.fixture
def units(tmp_path):
    """As they are installed, with this build's program."""
    made = tmp_path / "units"
    made.mkdir()
    for file in UNITS.iterdir():
        if file.suffix in (".socket", ".timer"):
            shutil.copy(file, made)
        elif file.name.endswith(".service.in"):
            (made / file.stem).write_text(file.read_text().replace("@bindir@", str(pathlib.Path(BINARY).parent)))
    return made


def analyze(*words):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=WAIT, check=False)


def test_systemd_finds_nothing_wrong(units):
    done = analyze("verify", "--man=no", *sorted(units.iterdir()))
    assert done.returncode == 0 and done.stderr == "", done.stderr


@pytest.mark.parametrize("name, most", [("mutual.service", 1.5), ("mutual-renew.service", 0.7), ("mutual-tunnel@.service", 1.3)])
def test_they_leave_little_exposed(units, name, most):
    done = analyze("security", "--offline=true", "--no-pager", units / name)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze judges no files: {done.stderr}")
    assert float(found.group(1)) <= most


def test_what_they_run_is_there_and_takes_these_options(units, mutual, ca, tmp_path):
    """Each command line, with paths of this test in the place of the system's."""
    mutual("issue", "server", "localhost").ok()
    (tmp_path / "mutual.yaml").write_text(f"doors: [{{listen: '127.0.0.1:0', certificate: localhost.crt, key: localhost.key, "
                                          f"trust: {ca}/ca.crt}}]\n")
    ran = 0
    for unit in units.glob("*.service"):
        for line in re.findall(r"^ExecStart(?:Pre)?=(.*)$", unit.read_text(), re.M):
            line = line.replace("/etc/mutual", str(tmp_path)).replace("/var/lib/mutual", str(ca)).replace("%%", "%")
            if " serve " in line or " tunnel " in line:
                continue  # ended by nothing; `mutual check` has judged the doors, and for the tunnel see below
            done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=WAIT, check=False)
            assert done.returncode in (0, 3), done
            ran += 1
    assert ran == 2


def test_a_tunnel_takes_the_options_that_its_unit_shows(units, ca, place):
    """And its door is open to the group."""
    unit = (units / "mutual-tunnel@.service").read_text()
    mask, line = (re.search(rf"^{word}=(.*)$", unit, re.M)[1] for word in ("UMask", "#   OPTIONS"))
    for there, here in (("/etc/mutual/client", place / "my-client"), ("/etc/mutual/ca.crt", ca / "ca.crt"),
                        ("/run/mutual-tunnel-NAME", place), ("db.example", "localhost")):
        assert there in line
        line = line.replace(there, str(here))
    with Tunnel(place, *line.split(), listen=(), umask=int(mask, 8)) as tunnel:
        assert mode(place / "door") == 0o770
        assert tunnel.stop() == 0
