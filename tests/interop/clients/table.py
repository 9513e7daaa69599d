"""How does what was seen become a table for people?"""


def write_table(attempts):
    pass
