//! Which causes does doctor know? Their codes are stable: scripts and other pages refer to them.

/// The codes: the variant, the code that is shown, what it means in a few words.
macro_rules! codes {
    ($($variant:ident $code:literal $meaning:literal)*) => {
        /// What is wrong, as scripts read it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as it is shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The code that is shown so.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }

            /// What it means, in a few words.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    BadUrl "url.bad" "the URL is not that of a server"
    PlainHttp "http.plain" "the URL begins with http:// and leads to another machine"
    BadOption "option.bad" "an option, or a file that it names, cannot be used"
    VariableUnset "env.unset" "a variable that a header or an entry names is not set"

    NameUnknown "net.dns" "the name of the server is not known"
    Refused "net.refused" "nobody listens at the server's address and port"
    TimedOut "net.timeout" "the server's address does not answer"
    NoRoute "net.no-route" "this machine has no way to the server's address"
    AddressExcluded "net.address" "the options allow no address of the server"
    BrokenIpv6 "net.ipv6" "one family of addresses does not work, the other does"
    ConnectionBroken "net.broken" "the connection breaks before an answer"
    ProxyNeeded "net.proxy-needed" "the server is not reached directly, and a proxy is named that is not used"
    ProxyDown "net.proxy" "the proxy is not there, or is none"
    ProxyLogin "net.proxy-407" "the proxy wants a login"
    ProxyRefuses "net.proxy-refused" "the proxy does not lead to the server"
    CaptivePortal "net.captive" "the network wants its own login page to be visited first"

    PrivateAuthority "tls.private-ca" "the certificate is signed by an authority that this machine does not trust"
    SelfSigned "tls.self-signed" "the certificate is signed by itself"
    Expired "tls.expired" "the certificate has expired"
    ExpiresSoon "tls.expires-soon" "the certificate expires within two weeks"
    WrongClock "tls.clock" "the clock of this machine is wrong"
    WrongName "tls.name" "the certificate is for another host"
    Interceptor "tls.intercept" "a program between reads what TLS protects, and its authority is not trusted"
    OldTls "tls.old" "the server has no version of TLS that is safe"
    NotTls "tls.not-tls" "the server does not speak TLS at this port"
    ClientCertificate "tls.client-cert" "the server wants a certificate of yours, or does not accept it"
    BadCertificate "tls.certificate" "the certificate has another fault"

    NotFound "http.404" "there is no MCP server at this path"
    HttpSse "http.405-sse" "the server speaks the old transport HTTP+SSE"
    Html "http.html" "a web page answers in place of the server"
    Redirect "http.redirect" "the server redirects to another address"
    Forbidden "http.403" "the server knows who asks and does not allow it"
    RateLimit "http.429" "the server takes no more requests for now"
    ServerError "http.5xx" "the server, or what stands before it, fails"
    OtherStatus "http.status" "the server answers with another HTTP error"
    NotMcp "http.not-mcp" "what answers is no MCP server"
    Silent "http.silent" "the server takes the request and does not answer"
    Slow "http.slow" "the first answer takes longer than some clients wait"
    Buffered "http.buffered" "something holds event streams back until they end"

    Era "mcp.era" "the server speaks only the era that an option excludes"
    McpRefused "mcp.refused" "the server refuses to begin a session"
    SessionLost "mcp.session-lost" "the server forgets the session at once"
    Sticky "mcp.sticky" "requests of one session reach servers that do not share it"
    NoTools "mcp.no-tools" "the server has no tools"
    ListFails "mcp.list" "a list of the server's cannot be read"

    LoginNeeded "auth.login-needed" "the server wants a login, and there is none"
    TokenExpired "auth.expired" "the login has expired and cannot be renewed"
    RefreshDead "auth.refresh-dead" "the login is not renewed any more"
    TokenRefused "auth.refused" "the server refuses the token of the login"
    ClientGone "auth.client-gone" "the authorization server has forgotten the registration"
    ScopeMissing "auth.scope" "the login lacks a scope"
    StaticRefused "auth.static-refused" "the server refuses the token or header that you gave"
    NoToken "auth.no-token" "the token cannot be read from its file or command"
    LoginsOff "auth.off" "the server wants a login, and an option switches logins off"
    NoMetadata "auth.no-metadata" "the server wants a login and does not say where"
    MetadataDown "auth.metadata-down" "the metadata of the login cannot be fetched"
    MetadataAddress "auth.address" "the metadata name an address that must not be used"
    OtherIssuer "auth.issuer" "the metadata of the login name another issuer"
    OtherResource "auth.resource" "the metadata are for another server than this one"
    OtherThanBound "auth.bound" "your credentials belong to another authorization server"
    NoPkce "auth.no-pkce" "the authorization server does not name PKCE with S256"
    NoRegistration "auth.no-dcr" "programs cannot register themselves, and there is no client id"
    PortBusy "auth.port-busy" "another program has the port that the browser comes back to"
    NoBrowser "auth.no-browser" "no browser can be opened here"
    LoginUnderWay "auth.race" "another program is logging in at this moment"
    LoginUnreadable "auth.store" "the login that is kept cannot be read"

    BinaryGone "client.binary-gone" "an entry starts a program that is not there"
    ClientPath "client.path" "a program may not be found by a client that is started from the desktop"
    OldNode "client.old-node" "the client may choose a Node.js that is too old"
    NpxWindows "client.npx-windows" "npx is a batch file on Windows, which some clients cannot start"
    SpacePath "client.space-path" "a batch file on Windows gets an argument with a space in it"
    OneString "client.one-string" "the command and its arguments stand in one text"
    ExecBit "client.exec-bit" "the program of an entry may not be executed"
    Msix "client.msix" "the packaged Claude Desktop reads another file"
    Syntax "client.syntax" "a configuration file is not what its client can read"
    Unreadable "client.unreadable" "a configuration file cannot be read"
    Privacy "client.privacy" "macOS does not let this program read the file of another one"
    WrongKey "client.wrong-key" "servers stand under a key that this client does not read"
    UrlIgnored "client.url-ignored" "an entry has a URL, but the client starts programs only"
    Duplicate "client.duplicate" "a client has the same server twice"
    McpRemote "client.mcp-remote" "an entry starts mcp-remote"
    NotRestarted "client.not-restarted" "the file has changed since the client was started"
    Readable "client.readable" "other users may read a file with a secret"
    EnvStripped "client.env-stripped" "the client does not pass on a variable that is needed"
    KilledEarly "client.killed-early" "the first answer comes later than the client waits"
    HeaderSplit "header.split" "a header is split at a space"
    CloudLocalhost "cloud.localhost" "a client in the cloud cannot reach an address of this machine or network"
    EntryUnknown "entry.unknown" "no client has an entry of this name"
    EntryAmbiguous "entry.ambiguous" "several clients have an entry of this name"
    EntryStart "entry.start" "the program of an entry cannot be started"
    EntryEnded "entry.ended" "the program of an entry ends before it answers"
    EntrySilent "entry.silent" "the program of an entry does not answer"
    EntryOutput "entry.output" "the program of an entry prints what is no message of MCP"
    EntryRefused "entry.refused" "the program of an entry answers with an error"
    StoreReadable "store.readable" "other users may read the folder of this program"
    StoreUnsafe "store.unsafe" "other users may change the folder of this program"
    StoreNewer "store.newer" "a newer version of this program has written a login"
    StoreDamaged "store.damaged" "a login that is kept cannot be read"
}

impl Code {
    /// Whether a login is all that is missing.
    pub fn wants_login(self) -> bool {
        matches!(
            self,
            Self::LoginNeeded | Self::TokenExpired | Self::RefreshDead | Self::TokenRefused | Self::ClientGone
        )
    }
}
