//! Where the server listens: a Unix socket that only its owner can open, or a loopback port. There is no other choice.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::Mode;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Loopback(SocketAddr),
}

/// An address that is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error("`{0}` is no address; hint: use unix:PATH or 127.0.0.1:PORT")]
    Form(String),
    #[error(
        "`{0}` is not a loopback address, and this server answers to its own machine only; hint: use 127.0.0.1:PORT, [::1]:PORT or unix:PATH"
    )]
    Reachable(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(AddressError::Form(text.to_owned())),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let numeric = text
            .strip_prefix("localhost:")
            .map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        match numeric.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Loopback(address)),
            Ok(_) => Err(AddressError::Reachable(text.escape_debug().to_string())),
            Err(_) => Err(unparsed(text)),
        }
    }
}

/// A name or an address without a port.
fn unparsed(text: &str) -> AddressError {
    let escaped = text.escape_debug().to_string();
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let named = host.parse::<IpAddr>().is_ok_and(|ip| !ip.is_loopback())
        || (!host.is_empty() && host.contains(|c: char| c.is_ascii_alphabetic()));
    if named {
        AddressError::Reachable(escaped)
    } else {
        AddressError::Form(escaped)
    }
}

pub(crate) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

pub(crate) enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Listener {
    /// Listens. A socket file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// What the system says, among others that the address is in use.
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Loopback(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Address::Unix(path) => {
                remove_stale(path).await?;
                // The file is made with these rights; a later chmod would leave a moment in which anybody could connect.
                let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
                let bound = UnixListener::bind(path);
                rustix::process::umask(before);
                Ok(Self::Unix(bound?))
            }
        }
    }

    /// Where clients find it.
    pub(crate) fn place(&self, address: &Address) -> String {
        match (self, address) {
            (Self::Tcp(listener), _) => match listener.local_addr() {
                Ok(address) => format!("http://{address}/v1"),
                Err(_) => String::from("a loopback port"),
            },
            (Self::Unix(_), Address::Unix(path)) => format!("unix:{}", path.display()),
            (Self::Unix(_), Address::Loopback(_)) => String::from("a Unix socket"),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Unix(listener) => Ok(Connection::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?; // a token must not wait for the next
                Ok(Connection::Tcp(stream))
            }
        }
    }
}

async fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "there is a file of this name that is no socket",
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(
            ErrorKind::AddrInUse,
            "somebody listens there",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_be_listened_to() {
        for good in [
            "127.0.0.1:0",
            "127.8.0.1:80",
            "[::1]:8080",
            "localhost:1",
            "unix:/tmp/x",
            "unix:s",
        ] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:80",
            "[::]:80",
            "192.168.1.4:80",
            "example.com:80",
            "10.0.0.1",
            "[::ffff:1.2.3.4]:80",
        ] {
            let refused = bad.parse::<Address>();
            assert!(
                matches!(refused, Err(AddressError::Reachable(_))),
                "{bad}: {refused:?}"
            );
        }
        for wrong in ["", ":80", "127.0.0.1", "unix:", "127.0.0.1:70000"] {
            let refused = wrong.parse::<Address>();
            assert!(
                matches!(refused, Err(AddressError::Form(_))),
                "{wrong}: {refused:?}"
            );
        }
    }
}
