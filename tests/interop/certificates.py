"""Which certificates do servers and clients show, and who signs them?"""

import shutil
import subprocess


class Certificates:
    """A certificate authority, the certificates that it signs, and clients' keys in three common formats."""

    CONFIGURATION = """
        [ca]
        default_ca = us
        [us]
        database = {directory}/index
        rand_serial = yes
        default_md = sha256
        policy = any
        unique_subject = no
        [any]
        commonName = supplied
        [req]
        prompt = no
        distinguished_name = name
        [name]
        commonName = nobody
        [authority]
        basicConstraints = critical, CA:TRUE
        keyUsage = critical, keyCertSign
        subjectKeyIdentifier = hash
    """

    def __init__(self, directory, ours):
        """`ours`: the names and addresses of the servers, in OpenSSL's form."""
        self.directory = directory
        directory.mkdir()
        self.configuration = directory / "openssl.cnf"
        self.configuration.write_text(self.CONFIGURATION.format(directory=directory))
        (directory / "index").touch()
        self.authority = directory / "authority.pem"
        subject = ["-subj", "/CN=Harbour Authority", "-extensions", "authority", "-days", "30"]
        self.openssl("req", "-x509", *self.new_key("authority"), "-out", self.authority, *subject)
        self.sign("server", ours)
        self.sign("elsewhere", "DNS:elsewhere.example,DNS:www.elsewhere.example")
        self.sign("expired", ours, since="20200101000000Z", until="20200201000000Z")
        self.sign("not-yet", ours, since="20400101000000Z", until="20400201000000Z")
        self.sign("pkcs8", "DNS:client")
        self.sign("sec1", "DNS:client")
        self.sign("pkcs1", "DNS:client", kind=["rsa:2048"])
        for name in ("sec1", "pkcs1"):
            self.key(name).write_text(self.openssl("pkey", "-in", self.key(name), "-traditional"))
        for name, head in {"pkcs8": "PRIVATE", "sec1": "EC PRIVATE", "pkcs1": "RSA PRIVATE"}.items():
            assert self.key(name).read_text().startswith(f"-----BEGIN {head} KEY-----"), f"{name} has another form"
        both = directory / "both.pem"
        both.write_text(self.certificate("pkcs8").read_text() + self.key("pkcs8").read_text())
        # A directory in OpenSSL's form: each certificate under the hash of its subject.
        hashed = directory / "hashed"
        hashed.mkdir()
        name = self.openssl("x509", "-noout", "-hash", "-in", self.authority).strip()
        shutil.copy(self.authority, hashed / f"{name}.0")

    def key(self, name):
        return self.directory / f"{name}.key"

    def certificate(self, name):
        return self.directory / f"{name}.pem"

    def openssl(self, command, *arguments):
        ran = subprocess.run(["/usr/bin/openssl", command, *arguments], capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(f"openssl {command}: {ran.stderr}")
        return ran.stdout

    def new_key(self, name, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        return ["-config", self.configuration, "-newkey", *kind, "-noenc", "-keyout", self.key(name)]

    def sign(self, name, names, since=None, until=None, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        self.openssl("req", *self.new_key(name, kind), "-subj", f"/CN={name}", "-out", request)
        extensions.write_text(f"subjectAltName = {names}\n")
        span = ["-startdate", since, "-enddate", until] if since else ["-days", "30"]
        self.openssl(
            "ca", "-config", self.configuration, "-batch", "-notext", "-cert", self.authority, "-keyfile",
            self.key("authority"), "-in", request, "-extfile", extensions, *span, "-outdir", self.directory,
            "-out", self.certificate(name),
        )  # fmt: skip
