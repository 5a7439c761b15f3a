"""A configuration's file, for the scenarios."""
import json

from door import Door, context


def door_text(listen="127.0.0.1:0", **more):
    """One door of a file, of the certificates in `place`; one that hands on is for all, unless that is said."""
    if "to" in more:
        more.setdefault("allow", "all")
    keys = {"listen": listen, "certificate": "localhost.crt", "key": "localhost.key", "trust": "ca.crt", **more}
    return "  - " + "\n    ".join(f"{key}: {json.dumps(value)}" for key, value in keys.items() if value is not None) + "\n"


def write_config(path, *doors, above="workers: 1\n"):
    path.write_text(above + "doors:\n" + "".join(doors or (door_text(),)))
    return path


def serve(config, home, *options, **popen):
    return Door(config.parent, "--config", config, *options, home=home, listen=(), **popen)


def client(place, name="my-client", version=None):
    return context(place / "ca.crt", place / f"{name}.crt", place / f"{name}.key", version)
