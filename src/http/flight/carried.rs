//! The connections, each with the flight that it carries.

use std::io::{Read, Write};
use std::time::Duration;

use crate::http::flight::Number;
use crate::http::flight::connection::Connection;
use crate::http::flight::network::{Network, Wanted};
use crate::http::flight::route::Route;

/// A connection, and the flight that it carries, or carried last.
pub(super) struct Carried<S> {
    pub(super) number: Number,
    pub(super) connection: Connection<S>,
}

/// The most connections of a route, where so many may carry long requests: twice as many, as what a short request costs is
/// its way. With one there is no other.
pub(super) fn most_in_all(connections: usize) -> usize {
    if connections == 1 { 1 } else { 2 * connections }
}

/// Whether one more request to the route may be in flight.
pub(super) fn has_room<S: Read + Write>(
    carried: &[Carried<S>],
    route: &Route,
    is_long: bool,
    connections: usize,
) -> bool {
    let of_route = carried.iter().map(|carried| &carried.connection);
    let busy = of_route.filter(|connection| *connection.route == *route && !connection.is_idle());
    let (long, all) = busy.fold((0, 0), |(long, all), connection| {
        (long + usize::from(connection.is_long()), all + 1)
    });
    all < most_in_all(connections) && !(is_long && long >= connections)
}

/// Waits until a socket is ready, this long at most; says of each connection whether its socket is.
pub(super) fn ready<N: Network>(
    network: &N,
    carried: &[Carried<N::Socket>],
    time: Option<Duration>,
) -> Vec<bool> {
    let mut ready = vec![false; carried.len()];
    let mut places = Vec::new();
    let mut sockets = Vec::new();
    for (place, Carried { connection, .. }) in carried.iter().enumerate() {
        if let Some((socket, room)) = connection.socket().filter(|_| !connection.is_idle()) {
            places.push(place);
            sockets.push(Wanted {
                socket,
                room,
                is_ready: false,
            });
        }
    }
    if let Err(error) = network.wait(&mut sockets, time) {
        log::debug!("cannot wait for connections: {error}");
    }
    for (place, wanted) in places.into_iter().zip(sockets) {
        ready[place] = wanted.is_ready;
    }
    ready
}
