//! How is the server reached?

use super::option::options;

options! {
    /// Proxies, certificates, addresses.
    #[allow(clippy::struct_excessive_bools)]
    pub struct Network {
        /// The proxy to go through: http://, https://, socks5:// or socks5h:// before HOST:PORT or USER:PASSWORD@HOST:PORT
        proxy URL: Option<String>,

        /// Go through no proxy, whatever the environment or the system says
        no_proxy: bool,

        /// Go through the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: done anyway
        enable_proxy: bool => |option| option.hide(true),

        /// A file of certificates (PEM) to trust besides the system's (repeatable)
        ca_cert FILE: Vec<String>,

        /// A file (PEM) with the certificate that shows the server who this is, and its chain
        client_cert FILE: Option<String>,

        /// A file (PEM) with that certificate's key, if it is not in the same file
        client_key FILE: Option<String>,

        /// Connect over a unix-domain socket, or a named pipe on Windows
        unix_socket PATH: Option<String>,

        /// Use IPv4 alone
        ipv4: bool,

        /// Use IPv6 alone
        ipv6: bool,

        /// Keep no cookies between requests
        disable_cookies: bool,
    }
}
