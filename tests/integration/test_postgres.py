"""The records on PostgreSQL: the same promises, and several authorities at once."""
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import time

import pytest

from conftest import BINARY
from made import serial
from postgres import Postgres


@pytest.fixture(scope="module")
def server():
    postgres = Postgres()
    yield postgres
    postgres.stop()


@pytest.fixture
def database(server, request):
    """A database of a test's own."""
    name = "t" + str(abs(hash(request.node.name)))
    server.sql(f"CREATE DATABASE {name}")
    return server.url(name)


def test_the_engine_keeps_the_promises_that_sqlite_keeps(database):
    program = pathlib.Path(BINARY).parent / "tests/unit/test_store_store"
    if not program.exists():
        pytest.skip("the unit tests are not built beside the program")
    done = subprocess.run([program], env={**os.environ, "MUTUAL_TEST_POSTGRES": database}, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "postgres: a_change_that_fails_leaves_no_trace_and_says_why" in done.stdout + done.stderr


ORDER = {"certificate": "id", "crl": "id", "trail": "seq", "trail_head": "seq", "ca": "since", "setting": "name"}


def tables(server, database):
    """Every table, as rows of text in the order in which they came; but the schema's version and rows' numbers."""
    name = database.split("?")[0].rpartition("/")[2]
    found = {}
    for table in server.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'", name).split():
        columns = server.sql(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' AND "
                             "column_name <> 'id' ORDER BY column_name", name).split()
        shown = ", ".join(f"encode({one}, 'hex')" if one in ("der", "signature") else one for one in columns)
        where = " WHERE name NOT IN ('schema', 'backup')" if table == "setting" else ""
        found[table] = (columns, [line.split("|") for line in server.sql(
            f"SELECT {shown} FROM {table}{where} ORDER BY {ORDER[table]}", name).splitlines()])
    return found


def rows_in_file(path, table, columns):
    with sqlite3.connect(path) as db:
        where = " WHERE name <> 'backup'" if table == "setting" else ""
        rows = db.execute(f"SELECT {', '.join(columns)} FROM {table}{where} ORDER BY {ORDER[table]}").fetchall()
    db.close()
    return [["" if one is None else one.hex() if isinstance(one, bytes) else str(one) for one in row] for row in rows]


@pytest.fixture
def busy(mutual, database):
    """A CA that has done a bit of everything."""
    mutual("init", "--store", database).ok()
    mutual("crl", "--url", "http://pki.example.com/", "--partitions", "2").ok()
    for name in ("alice", "bob", "carol"):
        mutual("issue", "client", name).ok()
    mutual("revoke", "alice").ok()
    mutual("revoke", "bob", "--reason", "hold").ok()
    return database


def test_a_backup_has_every_row_of_every_table(mutual, busy, server, tmp_path):
    before = tables(server, busy)
    assert "left to the backups of their database" in mutual("health").stdout
    mutual("backup", "b").ok()
    assert "the last backup was made" in mutual("health").stdout
    new = tmp_path / "new"
    mutual("restore", "b", home=new).ok()
    assert sorted(os.listdir(new)) == ["ca.crl", "ca.crt", "ca.key", "mutual.db"]
    for table, (columns, rows) in before.items():
        assert rows and rows_in_file(new / "mutual.db", table, columns)[:len(rows)] == rows, table
    mutual("audit", "verify", home=new).ok()
    mutual("issue", "client", "dave", home=new).ok()
    assert [one["name"] for one in mutual("list", "--json", home=new).ok().json_lines()] == ["alice", "bob", "carol", "dave"]


def test_it_can_be_restored_into_another_database(mutual, busy, server, tmp_path):
    before = tables(server, busy)
    mutual("backup", "b").ok()
    server.sql("CREATE DATABASE other")
    other, new = server.url("other"), tmp_path / "new"
    mutual("restore", "b", "--store", busy, home=new).refused("records of a CA in that database already")
    mutual("restore", "b", "--store", "mysql://x/y", home=new).refused("postgresql://", code=2)
    assert not new.exists() or os.listdir(new) == []
    mutual("restore", "b", "--store", other, home=new).ok()
    assert sorted(os.listdir(new)) == ["ca.crl", "ca.crt", "ca.key", "store"] and (new / "store").read_text() == other
    after = tables(server, other)
    for table, (_, rows) in before.items():
        assert rows and after[table][1][:len(rows)] == rows, table
    mutual("issue", "client", "dave", home=new).ok()
    mutual("revoke", "dave", home=new).ok()
    mutual("audit", "verify", home=new).ok()


def test_a_restore_that_filled_the_database_and_got_no_further_can_be_said_again(mutual, busy, server, tmp_path):
    """As after a kill or a full disk between the two; what has been used since is in nobody's way."""
    (mutual.home / "policy.yaml").write_text("client:\n  default_lifetime: 30d\n")  # of which the trail does not know yet
    mutual("backup", "b").ok()
    server.sql("CREATE DATABASE half")
    half, new = server.url("half"), tmp_path / "new"
    mutual("restore", "b", "--store", half, home=new).ok()
    shutil.rmtree(new)
    time.sleep(1)  # the trail counts seconds
    mutual("restore", "b", "--store", half, home=new).ok()
    mutual("audit", "verify", home=new).ok()
    mutual("issue", "client", "dave", home=new).ok()
    shutil.rmtree(new)
    mutual("restore", "b", "--store", half, home=new).refused("records of a CA in that database already")
    mutual("backup", "b2").ok()
    mutual("restore", "b2", "--store", half, home=new).refused("records of a CA in that database already")


def test_backups_while_others_issue_are_as_of_one_moment(mutual, busy, tmp_path):
    issuing = [mutual.start("issue", "client", f"c{n}", "--out", tmp_path / f"c{n}") for n in range(8)]
    for n in range(3):
        mutual("backup", f"b{n}").ok()
    assert [process.wait(60) for process in issuing] == [0] * 8
    for n in range(3):
        mutual("restore", f"b{n}", home=tmp_path / f"home{n}").ok()
        mutual("audit", "verify", home=tmp_path / f"home{n}").ok()


def test_a_rollover_is_counted_there_too(mutual, home, database):
    mutual("init", "--store", database, "--issuing").ok()
    for name in ("before", "renewed"):
        mutual("issue", "server", name).ok()
    mutual("ca", "rollover", "start").ok()
    mutual("renew", "renewed.crt", "--force").ok()
    state = mutual("ca", "rollover", "status", "--json").ok().json()
    assert (state["in_use"], state["moved"], state["names"]) == (1, 1, ["before"])
    mutual("ca", "rollover", "finish").refused("before")
    mutual("revoke", "before").ok()
    mutual("ca", "rollover", "finish").ok()
    mutual("audit", "verify").ok()


def test_an_authority_on_postgresql_does_all_that_one_on_a_file_does(mutual, home, database, tmp_path):
    said = mutual("init", "--store", database).ok().stdout
    assert database in said
    assert sorted(os.listdir(home)) == ["ca.crt", "ca.key", "store"]
    assert (home / "store").stat().st_mode & 0o777 == 0o600
    mutual("issue", "client", "alice").ok()
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "--batch", "-", "--out-dir", "many", input="bob\ncarol\n").ok()
    assert "carol" in mutual("list", "--name", "car*").ok().stdout
    assert "alice" in mutual("list", "--name", "al*").ok().stdout
    mutual("revoke", "alice", "--reason", "hold").ok()
    mutual("revoke", "alice", "--release").ok()
    mutual("crl", "--url", "http://pki.example.com/", "--deltas", "on", "--partitions", "2").ok()
    mutual("crl", "--delta").ok()
    assert "whole: 18 entries" in mutual("audit", "verify").ok().stdout
    mutual("init").refused("there is a CA")


def test_a_database_is_one_authoritys_from_its_first_moment(mutual, home, database, tmp_path):
    mutual("init", "--store", database).ok()
    other = tmp_path / "other"
    for more in ([], ["--issuing"], ["--force"]):
        mutual("init", "--store", database, *more, home=other).refused("records of a CA in that database already")
        assert not (other / "ca.key").exists()
    mutual("init", "--store", database, "--force").refused("name an empty database")
    assert sorted(os.listdir(home)) == ["ca.crt", "ca.key", "store"]
    assert "whole: 1 entry" in mutual("audit", "verify").ok().stdout


def test_an_install_that_filled_the_database_and_got_no_further_can_be_said_again(mutual, home, database, tmp_path):
    mutual("init", "--path-length", 1, home=tmp_path / "root").ok()
    for name in ("online", "other"):
        mutual("ca", "request", name, "--out", f"{name}.csr", home=tmp_path / name).ok()
        mutual("sign", f"{name}.csr", "--profile", "ca", home=tmp_path / "root").ok()
    shutil.copytree(tmp_path / "online", home)
    mutual("ca", "install", "online.crt", "--store", database, home=tmp_path / "online").ok()
    mutual("ca", "install", "online.crt", "--store", database).ok()
    mutual("audit", "verify").ok()
    mutual("issue", "client", "alice").ok()
    mutual("ca", "install", "other.crt", "--store", database, home=tmp_path / "other").refused("records of a CA in that database")


def test_once_it_is_set_up_a_user_who_may_only_change_rows_is_enough(mutual, home, server, database, tmp_path):
    mutual("init", "--store", database).ok()
    name = database.split("/")[3].split("?")[0]
    server.sql("CREATE ROLE clerk LOGIN; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO clerk", name)
    (home / "store").write_text(database.replace("user=postgres", "user=clerk"))
    who = "\U0001f600" * 64  # 256 octets
    mutual("issue", "client", who, "--out", "who").ok()
    mutual("revoke", "who.crt", "--reason", "superseded").ok()
    mutual("audit", "verify").ok()
    assert json.loads(mutual("audit", "--json", "--from", "3").ok().stdout.splitlines()[0])["detail"].endswith('": superseded')
    # A question that collides with a change of others (40001) is asked again.
    (home / "store").write_text(database)
    server.sql("ALTER TABLE certificate RENAME TO certificates; CREATE FUNCTION collide() RETURNS boolean LANGUAGE plpgsql AS $$"
               "BEGIN IF NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) THEN "
               "PERFORM pg_advisory_lock(1); RAISE EXCEPTION 'collided' USING ERRCODE = '40001'; END IF; RETURN true; END $$;"
               "CREATE VIEW certificate AS SELECT * FROM certificates WHERE collide()", name)
    assert who in mutual("list").ok().stdout
    # Nothing of a URL that cannot be read is told.
    (home / "store").write_text("postgresql://clerk:geheim%zz@localhost/x")
    assert "geheim" not in mutual("list").refused("URL of the CA's records cannot be read").stderr


def test_health_knows_that_the_url_may_hold_a_password(mutual, home, database):
    mutual("init", "--store", database).ok()
    assert "secret_open" not in mutual("health").ok().stdout
    (home / "store").chmod(0o644)
    assert "store can be read by others" in mutual("health").stdout


@pytest.mark.parametrize("url, said", [
    ("mysql://host/db", "postgresql://"),
    ("postgresql://alice:secret@host/db", "list of processes"),
    ("postgresql://host/db?password=secret", "list of processes"),
    ("postgresql://host/db?nonsense=1", "postgresql://"),
    ("postgresql://" + "h" * 5000, "too long"),
])
def test_a_url_that_cannot_be_used_is_refused_before_anything_is_made(mutual, home, url, said):
    result = mutual("init", "--store", url).refused(said, code=2)
    assert "secret" not in result.stderr and not home.exists()


def test_a_database_that_is_not_reached_is_told_of(mutual, home, server, tmp_path):
    mutual("init", "--store", f"postgresql:///mutual?host={tmp_path}").refused("cannot reach", "database runs")
    mutual("init", "--store", server.url("nowhere")).refused("nowhere", "does not exist")
    assert not (home / "ca.key").exists()
    (tmp_path / "h2").mkdir()
    (tmp_path / "h2/store").write_text("a password or so\n")
    assert "password" not in mutual("list", home=tmp_path / "h2").refused("does not begin with").stderr


# --- Several at once ---

@pytest.fixture
def nodes(mutual, home, database, tmp_path):
    """Two homes of one CA, as on two machines: the same certificate and key, the same database."""
    mutual("init", "--store", database).ok()
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    for name in ("ca.crt", "ca.key", "store"):
        (other / name).write_bytes((home / name).read_bytes())
        (other / name).chmod((home / name).stat().st_mode)
    return home, other


def test_two_nodes_at_once_take_no_number_twice_and_lose_no_revocation(mutual, nodes, server, database, tmp_path):
    def work(which):
        for i in range(6):
            name = f"n{which}-{i}"
            mutual("issue", "client", name, home=nodes[which]).ok()
            if i % 2 == 0:
                mutual("revoke", name, home=nodes[which]).ok()
            mutual("crl", home=nodes[which]).ok()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for result in [pool.submit(work, which) for which in (0, 1)]:
            result.result()
    name = database.split("/")[3].split("?")[0]
    assert server.sql("SELECT count(DISTINCT serial) FROM certificate", name) == "12"
    mutual("crl", home=nodes[0]).ok()
    listed = subprocess.run(["openssl", "crl", "-in", nodes[0] / "ca.crl", "-noout", "-text"], capture_output=True,
                            text=True, check=True).stdout
    revoked = server.sql("SELECT serial FROM certificate WHERE revoked_at IS NOT NULL", name).split()
    assert len(revoked) == 6 and all(serial in listed for serial in revoked)
    numbers = server.sql("SELECT number FROM crl", name).split()
    assert len(numbers) == len(set(numbers)) == 19
    assert "whole" in mutual("audit", "verify", home=nodes[1]).ok().stdout


def test_whatever_is_killed_what_was_handed_out_is_on_record(mutual, nodes, server, database, tmp_path):
    """Each node, and in the middle the database itself, dies at some moment or other."""
    chance = random.Random(4)
    for turn in range(16):
        if turn % 8 == 5:
            server.kill()
            server.start()
        workers = [
            subprocess.Popen(mutual.argv("issue", "client", f"k{turn}-{which}"), cwd=tmp_path, stderr=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, env=mutual.environment(nodes[which])) for which in (0, 1)]
        time.sleep(chance.uniform(0, 0.06))
        if turn % 8 == 2:
            server.kill()
        victim = chance.choice(workers)
        victim.kill()
        for worker in workers:
            worker.wait(60)
        if turn % 8 == 2:
            server.start()
    name = database.split("/")[3].split("?")[0]
    on_record = set(server.sql("SELECT serial FROM certificate", name).split())
    handed_out = [serial(path) for path in tmp_path.glob("k*.crt")]
    assert handed_out and set(handed_out) <= on_record
    assert "whole" in mutual("audit", "verify").ok().stdout
    mutual("issue", "client", "afterwards").ok()
