"""Which licences do the parts of the program have? Theirs ask that the texts come with it."""

from facts import HERE, ROOT

LIBRARY = "Rust's standard library: MIT OR Apache-2.0"
MUSL = "musl, the C library: MIT"


class Missing(Exception):
    """A part whose text we do not have."""


def licences(target, listed):
    """Of the program of one platform."""
    return document([target], [crate for crate in listed[1:] if crate.is_in_program])


def licences_of_all(lists):
    """Of the programs of several platforms: a list of crates for each target."""
    inside = {(crate.name, crate.version): crate for listed in lists.values() for crate in listed[1:] if crate.is_in_program}
    return document(lists, [inside[one] for one in sorted(inside)])


def document(targets, inside):
    """Each text once, and above it what it is of."""
    parts = [f"{crate.name} {crate.version}: {crate.licence}" for crate in inside] + [LIBRARY]
    of_text = {}
    for crate in inside:
        for text in texts(crate, inside):
            of_text.setdefault(text, []).append(f"{crate.name} {crate.version}")
    of_text.setdefault(apache(), []).append("Rust's standard library")
    if any("musl" in target for target in targets):
        parts.append(MUSL)
        of_text.setdefault((HERE / "templates/musl.txt").read_text().strip(), []).append("musl")
    lines = ["The program contains these crates and libraries.", "", *parts]
    for text, names in of_text.items():
        lines += ["", "-" * 72, ", ".join(dict.fromkeys(names)), "-" * 72, "", text]
    return ("\n".join(lines) + "\n").encode()


def texts(crate, others):
    """Its own, or that of a crate of the same authors and place, or the one text that all of its kind have."""
    same_place = [other for other in others if crate.repository and other.repository == crate.repository and other.licence == crate.licence]
    found = next((own for own in map(lambda one: one.licence_files(), [crate, *same_place]) if own), [])
    if found:
        return found
    if "Apache-2.0" in crate.licence.split(" OR "):
        return [apache()]
    raise Missing(f"{crate.name} {crate.version} comes without the text of its licence, {crate.licence}")


def apache():
    return (ROOT / "LICENSE-APACHE").read_text().strip()
