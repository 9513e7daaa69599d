//! An upstream whose every byte a test controls: one thread for each connection, one call of a closure for each request.
//!
//! The closure makes assertions. When the upstream is dropped, a panic in the closure fails the test, and so does an
//! upstream that received no request.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};

use super::connection::Connection;
use super::exchange::Exchange;
use super::protocol::{Protocol, tls_config};
use super::request::Request;
use super::{DEADLINE, http1, http2};

/// How a connection has ended.
pub(super) enum Ended {
    Orderly,
    ByReset,
}

type Handler = dyn Fn(Exchange) + Send + Sync;

#[derive(Default)]
struct Recorded {
    requests: Vec<Arc<Request>>,
    held: Vec<Exchange>,
    open: HashMap<usize, Arc<TcpStream>>,
    connections: usize,
    closed: usize,
    failures: Vec<String>,
}

/// What the threads of one upstream share.
pub(super) struct State {
    protocol: Protocol,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// How many streams a client may open on one connection of HTTP/2.
    pub(super) most_streams: Option<u32>,
    handler: Box<Handler>,
    recorded: Mutex<Recorded>,
    changed: Condvar,
    /// How often this upstream was stopped. A connection accepted before a stop is dropped.
    stops: AtomicUsize,
}

impl State {
    /// Keeps an exchange until the test takes it.
    pub(super) fn hold(&self, exchange: Exchange) {
        self.recorded.lock().unwrap().held.push(exchange);
        self.changed.notify_all();
    }

    fn serve(self: &Arc<Self>, stream: TcpStream, accepted_after: usize) {
        let stream = Arc::new(stream);
        let number = {
            let mut recorded = self.recorded.lock().unwrap();
            if self.stops.load(Ordering::SeqCst) != accepted_after {
                return;
            }
            recorded.connections += 1;
            let number = recorded.connections;
            recorded.open.insert(number, Arc::clone(&stream));
            number
        };
        let ended = match self.protocol {
            Protocol::Http1 => http1::serve(self, &stream, number),
            Protocol::Http2 => http2::serve(self, &stream, number),
        };
        let mut recorded = self.recorded.lock().unwrap();
        recorded.open.remove(&number);
        match ended {
            // The last owner of the socket sends the reset.
            Ended::ByReset => return,
            Ended::Orderly => drop(stream.shutdown(Shutdown::Both)),
        }
        recorded.closed += 1;
        self.changed.notify_all();
    }

    /// Makes an exchange of a request that has arrived.
    pub(super) fn receive(self: &Arc<Self>, request: Request, connection: Box<dyn Connection>) -> Exchange {
        let request = Arc::new(request);
        let nth = {
            let mut recorded = self.recorded.lock().unwrap();
            let nth = recorded.requests.iter().filter(|earlier| earlier.kind == request.kind).count();
            recorded.requests.push(Arc::clone(&request));
            nth
        };
        self.changed.notify_all();
        Exchange::new(request, nth, connection, Arc::clone(self))
    }

    /// Has the test's closure respond.
    pub(super) fn respond(&self, exchange: Exchange) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.handler)(exchange))) {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            self.fail(message.unwrap_or_default());
        }
    }

    /// Fails the test when the upstream is dropped.
    pub(super) fn fail(&self, why: String) {
        self.recorded.lock().unwrap().failures.push(why);
    }
}

/// An upstream on its own port, listening or not yet listening.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    /// A bound socket that does not listen: it reserves the port, which refuses connections while no other socket
    /// listens there. Only Linux lets a listener bind the port as well; elsewhere the port is bound again.
    reserved: Option<Socket>,
    acceptor: Option<JoinHandle<()>>,
    may_receive_no_request: bool,
}

impl Upstream {
    /// A listening upstream.
    pub(crate) fn start(handler: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        let mut upstream = Self::offline(handler);
        upstream.listen();
        upstream
    }

    /// An upstream whose port refuses connections until `listen`.
    pub(crate) fn offline(handler: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        Self::with_stream_limit(None, handler)
    }

    /// As `offline`; a client may open this many streams on one connection of HTTP/2.
    pub(crate) fn with_stream_limit(
        most_streams: Option<u32>,
        handler: impl Fn(Exchange) + Send + Sync + 'static,
    ) -> Self {
        let protocol = Protocol::current();
        let reserved = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = reserved.local_addr().unwrap().as_socket().unwrap();
        let state = State {
            protocol,
            tls: (protocol == Protocol::Http2).then(|| tls_config(&["h2"])),
            most_streams,
            handler: Box::new(handler),
            recorded: Mutex::default(),
            changed: Condvar::new(),
            stops: AtomicUsize::new(0),
        };
        Self {
            address,
            state: Arc::new(state),
            reserved: Some(reserved),
            acceptor: None,
            may_receive_no_request: false,
        }
    }

    /// An upstream that answers everything with `Exchange::respond_normally`.
    pub(crate) fn well_behaved() -> Self {
        Self::start(Exchange::respond_normally)
    }

    /// An upstream that holds requests of these kinds for the test and answers all others with
    /// `Exchange::respond_normally`.
    pub(crate) fn holding<const N: usize>(kinds: [&'static str; N]) -> Self {
        Self::start(move |call| if kinds.contains(&call.kind()) { call.hold() } else { call.respond_normally() })
    }

    pub(crate) fn listen(&mut self) {
        assert!(self.acceptor.is_none(), "the upstream already listens");
        let socket = self.reserved.take().map_or_else(|| bind(self.address), Ok).unwrap();
        self.reserved = bind(self.address).ok();
        socket.listen(1024).unwrap();
        let (listener, state) = (TcpListener::from(socket), Arc::clone(&self.state));
        let stops = self.state.stops.load(Ordering::SeqCst);
        self.acceptor = Some(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if state.stops.load(Ordering::SeqCst) != stops {
                    return;
                }
                drop(stream.set_nodelay(true));
                let state = Arc::clone(&state);
                let connection = std::thread::Builder::new().stack_size(256 << 10);
                drop(connection.spawn(move || state.serve(stream, stops)).unwrap());
            }
        }));
    }

    /// Closes every connection; from now on the port refuses new ones.
    pub(crate) fn stop(&mut self) {
        pause();
        self.state.stops.fetch_add(1, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.acceptor.take().expect("a listening upstream").join().unwrap();
        // A process that another test is starting may hold a copy of the listener for a moment.
        let give_up = Instant::now() + DEADLINE;
        while TcpStream::connect(self.address).is_ok() {
            assert!(Instant::now() < give_up, "the port should refuse connections by now");
        }
        self.disconnect();
        pause();
    }

    /// Closes every connection and keeps listening.
    pub(crate) fn disconnect(&self) {
        for stream in self.state.recorded.lock().unwrap().open.values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Allows this upstream to receive no request at all.
    pub(crate) fn may_receive_no_request(mut self) -> Self {
        self.may_receive_no_request = true;
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.state.protocol.scheme(), self.address)
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn requests(&self) -> Vec<Arc<Request>> {
        self.state.recorded.lock().unwrap().requests.clone()
    }

    /// `initialize`, `notifications/initialized`, `GET`, … in the order of arrival.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.kind.clone()).collect()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.requests().iter().filter(|request| request.kind == kind).count()
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.state.recorded.lock().unwrap().connections
    }

    /// Waits for the n-th request of this kind, counted from 1.
    #[track_caller]
    pub(crate) fn wait_for(&self, kind: &str, n: usize) -> Arc<Request> {
        self.wait(&format!("{kind} number {n}"), |recorded| {
            recorded.requests.iter().filter(|request| request.kind == kind).nth(n - 1).cloned()
        })
    }

    /// Waits for a request whose path begins like this.
    #[track_caller]
    pub(crate) fn wait_for_path(&self, path: &str) -> Arc<Request> {
        self.wait(path, |recorded| recorded.requests.iter().find(|request| request.path.starts_with(path)).cloned())
    }

    /// Waits until this upstream has closed this many connections, and a moment longer.
    #[track_caller]
    pub(crate) fn wait_for_closed(&self, connections: usize) {
        self.wait(&format!("{connections} closed connections"), |recorded| {
            (recorded.closed >= connections).then_some(())
        });
        pause();
    }

    /// Takes the oldest exchange of this kind that the handler holds.
    #[track_caller]
    pub(crate) fn take(&self, kind: &str) -> Exchange {
        self.wait(&format!("{kind} to be held"), |recorded| {
            let place = recorded.held.iter().position(|exchange| exchange.request.kind == kind)?;
            Some(recorded.held.remove(place))
        })
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut Recorded) -> Option<T>) -> T {
        let give_up = Instant::now() + DEADLINE;
        let mut recorded = self.state.recorded.lock().unwrap();
        loop {
            if let Some(found) = find(&mut recorded) {
                return found;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let kinds: Vec<_> = recorded.requests.iter().map(|request| request.kind.clone()).collect();
                drop(recorded);
                panic!("the upstream did not see {what}; it saw {kinds:?}");
            }
            recorded = self.state.changed.wait_timeout(recorded, left).unwrap().0;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if self.acceptor.is_some() {
            self.stop();
        }
        // Exchanges own the state that holds them.
        let held = std::mem::take(&mut self.state.recorded.lock().unwrap().held);
        drop(held);
        if std::thread::panicking() {
            return;
        }
        let recorded = self.state.recorded.lock().unwrap();
        let (failures, was_used) = (recorded.failures.clone(), !recorded.requests.is_empty());
        drop(recorded);
        assert!(failures.is_empty(), "in the upstream's handler: {failures:#?}");
        assert!(was_used || self.may_receive_no_request, "the upstream received no request");
    }
}

/// Lets connections become idle. A connection that ends within a millisecond of its use may lose a request; one that ends
/// while it is idle must not.
fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}

fn bind(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // On Windows this option would let two sockets share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// An address where connections neither succeed nor fail because the listener's queue is full, as long as the returned
/// sockets exist.
#[cfg(target_os = "linux")]
pub(crate) fn hanging_address() -> (SocketAddr, (Socket, Vec<TcpStream>)) {
    let hole = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    hole.listen(0).unwrap();
    let address = hole.local_addr().unwrap().as_socket().unwrap();
    let filling = std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok());
    let filling = filling.collect();
    (address, (hole, filling))
}
