"""Which licences do the crates in the program have? Theirs ask that the texts come with it."""


def licences(listed):
    """Of the program of one platform."""
    return document(crate for crate in listed[1:] if crate.is_in_program)


def licences_of_all(lists):
    """Of the programs of several platforms."""
    inside = {(crate.name, crate.version): crate for listed in lists for crate in listed[1:] if crate.is_in_program}
    return document(inside[one] for one in sorted(inside))


def document(inside):
    """Each text once, and above it the crates that it is of."""
    inside = list(inside)
    lines = ["The program contains these crates.", ""]
    lines += [f"{crate.name} {crate.version}: {crate.licence}" for crate in inside]
    of_text = {}
    for crate in inside:
        for text in crate.licence_files():
            of_text.setdefault(text, []).append(f"{crate.name} {crate.version}")
    for text, names in of_text.items():
        lines += ["", "-" * 72, ", ".join(dict.fromkeys(names)), "-" * 72, "", text]
    return ("\n".join(lines) + "\n").encode()
