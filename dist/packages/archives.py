"""What is in the archive of a platform, and what is it called?"""

from fixed import File, gz, tar, zip_archive


def stem(facts, program):
    return f"{facts.name}-{facts.version}-{program.target}"


def name(facts, program):
    return stem(facts, program) + (".zip" if program.platform.is_windows else ".tar.gz")


def archive(facts, program, texts, documents, extra):
    """One folder with the program, texts, completions and the manual."""
    files = [File(program.file, program.content, 0o755), *texts, *extra, *documents]
    files = [File(f"{stem(facts, program)}/{file.path}", file.content, file.mode) for file in files]
    if program.platform.is_windows:
        return zip_archive(files, facts.epoch)
    return gz(tar(files, facts.epoch))
