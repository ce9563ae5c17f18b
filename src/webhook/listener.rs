//! A port that is listened on.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// Connections that wait to be taken.
const BACKLOG: i32 = 1_024;

/// Listens on a port of this address; without one on all, of both families where the machine has them.
///
/// # Errors
/// The last address that was tried, and why it cannot be listened on.
pub fn listen(address: Option<IpAddr>, port: u16) -> Result<TcpListener, (SocketAddr, io::Error)> {
    let on = |address: IpAddr| {
        let address = SocketAddr::new(address, port);
        bind(address).map_err(|error| (address, error))
    };
    match address {
        Some(address) => on(address),
        None => on(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| on(Ipv4Addr::UNSPECIFIED.into())),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // Otherwise it is for the machine to say (net.ipv6.bindv6only) whether this is IPv4, too.
        socket.set_only_v6(false)?;
    }
    // A port that was just left can be taken again.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
