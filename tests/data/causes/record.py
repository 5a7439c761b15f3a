"""observed.txt: what tests/interop/observe.py has seen, as people and programs read it.

    tools
      curl: 7.88.1 ...
    case client_untrusted: client_untrusted_ca
      server's side accepted by: go node ...                 clients, at a server that lets in anybody
      client's side refused by: go node ...                  servers, called by a client that believes anybody
      client's side refused by go: http: TLS handshake ...   the same where the case is not one of those that all meet in
      client curl with nginx haproxy, 400: The SSL ...       what a client prints, and of which servers
      server nginx with all: client SSL certificate ...      what a server logs, and of which clients
      server nginx at start: cannot load certificate ...
"""
import dataclasses
import pathlib
import re

PATH = pathlib.Path(__file__).resolve().parent / "observed.txt"
NEWER = PATH.with_name("observed-debian13.txt")  # only what Debian 13's programs do otherwise
BROWSERS = PATH.with_name("observed-browsers.txt")  # the same of browsers alone
HEAD = """# What other people's clients and servers do with the cases of make.py, and what they print. Made by tests/interop/observe.py
# and not by hand. Directories, dates, ports, addresses and the lines of sources are taken out, the rest is verbatim.
"""


@dataclasses.dataclass
class Seen:
    case: str
    cause: str
    clients: dict = None    # {client: Said} of the server's side; None: that side cannot be asked
    servers: dict = None    # {server: Said} of the client's side
    meetings: dict = dataclasses.field(default_factory=dict)   # {(client, server): (Said, the server's words)}
    unstarted: dict = dataclasses.field(default_factory=dict)  # {server: its words}


def grouped(pairs):
    """[(name, what)] as {what: [names]}, in order."""
    groups = {}
    for name, what in pairs:
        groups.setdefault(what, []).append(name)
    return groups


def judged(title, by, below):
    """`below`: whose words stand further down."""
    if by is None:
        return
    fine = [name for name, said in by.items() if said.fine]
    if fine:
        yield f"  {title} accepted by: {' '.join(fine)}"
    refused = [name for name, said in by.items() if not said.fine]
    brief = [name for name in refused if name in below]
    if brief:
        yield f"  {title} refused by: {' '.join(brief)}"
    for name in [name for name in refused if name not in below]:
        status = f", {by[name].status}" if by[name].status else ""
        yield f"  {title} refused by {name}{status}: {by[name].words}"


def told(side, name, groups, everybody):
    """A line for each group of others: {(status, words): [others]}."""
    for (status, words), others in groups.items():
        if words:
            of = "all" if len(others) == everybody and everybody > 1 else " ".join(others)
            yield f"  {side} {name} with {of}{', ' + status if status else ''}: {words}"


def case_lines(seen):
    yield f"case {seen.case}: {seen.cause}"
    yield from judged("server's side", seen.clients, {client for client, _ in seen.meetings})
    yield from judged("client's side", seen.servers, {*(server for _, server in seen.meetings), *seen.unstarted})
    for name, words in seen.unstarted.items():
        yield f"  server {name} at start: {words}"
    for client in dict.fromkeys(client for client, _ in seen.meetings):
        at = [(server, (said.status, said.words)) for (one, server), (said, _) in seen.meetings.items()
              if one == client and server != "explain" and (not said.fine or client == "explain")]
        yield from told("client", client, grouped(at), len([1 for one, server in seen.meetings if one == client and server != "explain"]))
    for server in dict.fromkeys(server for _, server in seen.meetings):
        at = [(client, ("", words)) for (client, one), (_, words) in seen.meetings.items() if one == server and client != "explain"]
        yield from told("server", server, grouped(at), len(at))


def written(versions, all_seen):
    lines = [HEAD, "tools", *(f"  {name}: {version}" for name, version in versions.items()), ""]
    for seen in all_seen:
        lines += [*case_lines(seen), ""]
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


# --- And back ---

@dataclasses.dataclass(frozen=True)
class Cell:
    """What one tool prints in one case."""
    case: str
    cause: str
    side: str     # client, server
    tool: str
    others: tuple  # on the other side; (): whoever it is
    status: str
    words: str
    at_start: bool = False


@dataclasses.dataclass
class Record:
    versions: dict
    cells: list
    causes: dict    # {case: cause}
    verdicts: dict  # {(case, side, tool): accepted}, of the client or the server that judges the other's side


SIDES = {"server's": "client", "client's": "server"}
JUDGED = re.compile(r"  (server's|client's) side (accepted|refused) by(?:: (.*)| ([\w-]+)(?:, (\d+))?:(?: (.*))?)$")
PRINTED = re.compile(r"  (client|server) ([\w.-]+) (?:with ([\w@. -]+?)|at (start))(?:, (\d+))?: (.*)$")


def parsed(text):
    seen, case = Record({}, [], {}, {}), None
    for line in text.splitlines():
        if line.startswith("case "):
            case, cause = line[len("case "):].split(": ")
            seen.causes[case] = cause
        elif found := JUDGED.match(line):
            side, verdict, many, one, status, words = found.groups()
            for tool in many.split() if many is not None else [one]:
                seen.verdicts[case, SIDES[side], tool] = verdict == "accepted"
            if words:
                seen.cells.append(Cell(case, seen.causes[case], SIDES[side], one, (), status or "", words))
        elif found := PRINTED.match(line):
            side, tool, others, start, status, words = found.groups()
            others = () if others in (None, "all") else tuple(others.split())
            seen.cells.append(Cell(case, seen.causes[case], side, tool, others, status or "", words, start is not None))
        elif line.startswith("  ") and case is None:
            name, version = line.strip().split(": ", 1)
            seen.versions[name] = version
    return seen


def read(path=PATH):
    return parsed(path.read_text(encoding="utf-8"))


# --- Two of them ---

def kind(tool):
    """java21 -> java."""
    return tool.rstrip("0123456789")


def unversioned(words):
    """Words change between versions, and so do numbers in them, which is no change."""
    return re.sub(r"\d+\.\d+(?:\.\d+)*", "N", words)


def beside(text, other):
    """Of a record the lines that are not in the other one, too: what another version does otherwise."""
    known = {(cell.case, cell.side, kind(cell.tool), unversioned(cell.words)) for cell in other.cells}
    verdicts = {(case, side, kind(tool)): verdict for (case, side, tool), verdict in other.verdicts.items()}

    def is_known(one):
        return (all((cell.case, cell.side, kind(cell.tool), unversioned(cell.words)) in known for cell in one.cells)
                and all(verdicts.get((case, side, kind(tool)), verdict) == verdict
                        for (case, side, tool), verdict in one.verdicts.items()))

    head, *blocks = re.split(r"\n\n(?=case )", text.rstrip("\n"))
    kept = []
    for block in blocks:
        title, *lines = block.split("\n")
        lines = [line for line in lines if not is_known(parsed(f"{title}\n{line}"))]
        if lines:
            kept.append("\n".join([title, *lines]))
    return "\n\n".join([head, *kept]) + "\n"
