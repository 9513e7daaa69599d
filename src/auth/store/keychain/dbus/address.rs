//! Where is the session's bus? "Server Addresses" of the D-Bus specification.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// A socket that a bus listens on.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    File(PathBuf),
    /// A name without a file, which Linux has.
    Abstract(Vec<u8>),
}

/// Connects to the session's bus: the addresses that the environment has, or where systemd puts it. Some programs start
/// others without that variable.
pub(super) fn connect() -> io::Result<UnixStream> {
    let addresses = match std::env::var("DBUS_SESSION_BUS_ADDRESS") {
        Ok(text) if !text.is_empty() => addresses(&text),
        _ => vec![Address::File(crate::system::session_bus())],
    };
    let mut failed = io::Error::new(io::ErrorKind::Unsupported, "its address is none of a socket on this machine");
    for address in addresses {
        match open(&address) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn open(address: &Address) -> io::Result<UnixStream> {
    match address {
        Address::File(path) => UnixStream::connect(path),
        #[cfg(target_os = "linux")]
        Address::Abstract(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            UnixStream::connect_addr(&address)
        }
        #[cfg(not(target_os = "linux"))]
        Address::Abstract(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The addresses in a list that we can connect to.
fn addresses(list: &str) -> Vec<Address> {
    let address = |text: &str| {
        let pairs = text.strip_prefix("unix:")?;
        pairs.split(',').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let value: Vec<u8> = percent_decode_str(value).collect();
            match key {
                "path" => Some(Address::File(OsString::from_vec(value).into())),
                "abstract" => Some(Address::Abstract(value)),
                "runtime" => Some(Address::File(crate::system::session_bus())),
                _ => None,
            }
        })
    };
    list.split(';').filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_specification_writes_them() {
        let text = "tcp:host=127.0.0.1,port=1;unix:guid=00ff,path=/tmp/a%20b%2c;unix:abstract=/tmp/dbus-x,guid=1;unix:tmpdir=/tmp";
        let expected = [Address::File("/tmp/a b,".into()), Address::Abstract(b"/tmp/dbus-x".to_vec())];
        assert_eq!(addresses(text), expected);
        assert_eq!(addresses("unix:runtime=yes"), [Address::File(crate::system::session_bus())]);
    }
}
