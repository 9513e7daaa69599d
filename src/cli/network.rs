//! How is the server reached?

use super::option::options;

options! {
    /// Proxies, certificates, addresses.
    #[allow(clippy::struct_excessive_bools)]
    pub struct Network {
        /// The proxy to use: http://, https://, socks5:// or socks5h://, then HOST:PORT or USER:PASSWORD@HOST:PORT
        proxy URL: Option<String>,

        /// Use no proxy, even if the environment or the system's settings name one
        no_proxy: bool,

        /// Use the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, which is the default
        enable_proxy: bool => hide = true,

        /// A file of CA certificates (PEM) to trust besides those of the system (repeatable)
        ca_cert FILE: Vec<String>,

        /// A file (PEM) with the client certificate to show to the server, and its chain
        client_cert FILE: Option<String>,

        /// A file (PEM) with the key of the client certificate, if --client-cert does not contain it
        client_key FILE: Option<String>,

        /// Connect over a Unix-domain socket, or a named pipe on Windows
        unix_socket PATH: Option<String>,

        /// Use IPv4 only
        ipv4: bool,

        /// Use IPv6 only
        ipv6: bool,

        /// Do not keep cookies between requests
        disable_cookies: bool,
    }
}
