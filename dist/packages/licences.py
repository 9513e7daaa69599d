"""Which licences do the crates in the program have? Theirs ask that the texts come with it."""


def licences(listed):
    """One document with each text once, and above it the crates that it is of."""
    inside = [crate for crate in listed[1:] if crate.is_in_program]
    lines = ["The program contains these crates.", ""]
    lines += [f"{crate.name} {crate.version}: {crate.licence}" for crate in inside]
    of_text = {}
    for crate in inside:
        for text in crate.licence_files():
            of_text.setdefault(text, []).append(f"{crate.name} {crate.version}")
    for text, names in of_text.items():
        lines += ["", "-" * 72, ", ".join(dict.fromkeys(names)), "-" * 72, "", text]
    return ("\n".join(lines) + "\n").encode()
