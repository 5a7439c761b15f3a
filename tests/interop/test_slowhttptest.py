"""slowhttptest's clients, who are as slow as they can be, at a door that serves whoever else comes."""
import re
import shutil
import subprocess

from door import WAIT
from made_config import door_text, serve, write_config
from peers import need

ATTACKS = {"headers": ["-H"], "body": ["-B", "-s", "8192"], "read": ["-X", "-k", "3"]}


def test_it_finds_the_service_available(ca, model, tmp_path):
    """All of its ways at once. It has no certificate to show, so this door does not insist on one."""
    program = need("slowhttptest")
    shutil.copytree(model / "files", tmp_path, dirs_exist_ok=True)
    shutil.copy(ca / "ca.crt", tmp_path)
    config = write_config(tmp_path / "mutual.yaml", door_text(clients="optional", allow=["all", "anonymous"], header_timeout="1s"))
    with serve(config, ca) as door:
        runs = [subprocess.Popen([program, "-c", "150", "-r", "150", "-l", "2", "-i", "1", "-p", "2", *how, "-u", door.url + "/"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                for how in ATTACKS.values()]
        for name, run in zip(ATTACKS, runs):
            text = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", run.communicate(timeout=WAIT)[0])
            found = re.findall(r"service available: +(\w+)", text)
            assert found and set(found) == {"YES"}, (name, text)
