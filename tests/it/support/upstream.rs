//! An upstream under the test's control to the byte: a thread for each connection, a closure for each request.
//!
//! Assertions live in the closure; a panic there fails the test when the upstream is dropped, and so does an upstream
//! that was never asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::exchange::{After, Exchange};
use super::{DEADLINE, peek};

/// One request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) http_method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The JSON-RPC method, `answer`, `batch` or `other`; of anything but a POST the HTTP method.
    pub(crate) kind: String,
    /// The JSON-RPC id in its own letters.
    pub(crate) id: Option<String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body is UTF-8")
    }

    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split_whitespace();
        let (http_method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut request = Self { http_method, path, headers, body: Vec::new(), kind: String::new(), id: None };
        request.body = request.read_body(reader)?;
        let said = peek(&request.body);
        request.kind = match (request.http_method.as_str(), said.method) {
            ("POST", Some(method)) => method,
            ("POST", None) if said.is_answer => "answer".to_owned(),
            ("POST", None) if said.is_array => "batch".to_owned(),
            ("POST", None) => "other".to_owned(),
            (method, _) => method.to_owned(),
        };
        request.id = said.id;
        Some(request)
    }

    fn read_body(&self, reader: &mut impl BufRead) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        if let Some(length) = self.header("content-length") {
            body.resize(length.parse().ok()?, 0);
            reader.read_exact(&mut body).ok()?;
        } else if self.header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                let size = usize::from_str_radix(line.trim(), 16).ok()?;
                let start = body.len();
                body.resize(start + size, 0);
                reader.read_exact(&mut body[start..]).ok()?;
                reader.read_line(&mut line).ok()?;
                if size == 0 {
                    break;
                }
            }
        }
        Some(body)
    }
}

type Handler = dyn Fn(Exchange) + Send + Sync;

#[derive(Default)]
struct Book {
    requests: Vec<Arc<Request>>,
    held: Vec<Exchange>,
    open: HashMap<usize, Arc<TcpStream>>,
    connections: usize,
    closed: usize,
    failures: Vec<String>,
}

/// What the threads of one upstream share.
pub(super) struct State {
    handler: Box<Handler>,
    book: Mutex<Book>,
    changed: Condvar,
    /// How often this upstream was stopped: a connection of an earlier time has no place in the present.
    stops: AtomicUsize,
}

impl State {
    /// Keeps an exchange until the test takes it.
    pub(super) fn hold(&self, exchange: Exchange) {
        self.book.lock().unwrap().held.push(exchange);
        self.changed.notify_all();
    }

    fn serve(self: &Arc<Self>, stream: TcpStream, accepted_after: usize) {
        let stream = Arc::new(stream);
        let number = {
            let mut book = self.book.lock().unwrap();
            if self.stops.load(Ordering::SeqCst) != accepted_after {
                return;
            }
            book.connections += 1;
            let number = book.connections;
            book.open.insert(number, Arc::clone(&stream));
            number
        };
        let mut reader = BufReader::with_capacity(1 << 16, &*stream);
        while let Some(request) = Request::read(&mut reader) {
            let request = Arc::new(request);
            let nth = {
                let mut book = self.book.lock().unwrap();
                let nth = book.requests.iter().filter(|earlier| earlier.kind == request.kind).count();
                book.requests.push(Arc::clone(&request));
                nth
            };
            self.changed.notify_all();
            let (done, after) = mpsc::channel();
            let exchange = Exchange::new(request, nth, Arc::clone(&stream), Arc::clone(self), done);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.handler)(exchange))) {
                let words = panic.downcast_ref::<String>().cloned();
                let words = words.or_else(|| panic.downcast_ref::<&str>().map(|&words| words.to_owned()));
                self.book.lock().unwrap().failures.push(words.unwrap_or_default());
            }
            match after.recv() {
                Ok(After::NextRequest) => {}
                Ok(After::Lost) => {
                    Request::read(&mut reader);
                    break;
                }
                Ok(After::Reset) => {
                    self.book.lock().unwrap().open.remove(&number);
                    return;
                }
                _ => break,
            }
        }
        drop(stream.shutdown(Shutdown::Both));
        let mut book = self.book.lock().unwrap();
        book.open.remove(&number);
        book.closed += 1;
        self.changed.notify_all();
    }
}

/// A listening (or not yet listening) upstream on a port of its own.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    /// Bound but not listening: the port stays ours, and refuses connections while no other socket listens there. Only
    /// Linux lets two of our sockets have it, the next listener among them; elsewhere it is bound anew.
    reserved: Option<Socket>,
    acceptor: Option<JoinHandle<()>>,
    may_stay_unasked: bool,
}

impl Upstream {
    /// An upstream that listens.
    pub(crate) fn start(handler: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        let mut upstream = Self::offline(handler);
        upstream.listen();
        upstream
    }

    /// An upstream whose port refuses connections until `listen`.
    pub(crate) fn offline(handler: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        let reserved = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = reserved.local_addr().unwrap().as_socket().unwrap();
        let state = State {
            handler: Box::new(handler),
            book: Mutex::default(),
            changed: Condvar::new(),
            stops: AtomicUsize::new(0),
        };
        Self { address, state: Arc::new(state), reserved: Some(reserved), acceptor: None, may_stay_unasked: false }
    }

    /// The server most tests want: everything as `Exchange::usual` has it.
    pub(crate) fn usual() -> Self {
        Self::start(Exchange::usual)
    }

    pub(crate) fn listen(&mut self) {
        assert!(self.acceptor.is_none(), "an upstream listens once");
        let socket = self.reserved.take().map_or_else(|| bound(self.address), Ok).unwrap();
        self.reserved = bound(self.address).ok();
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

    /// Cuts every connection; from now on the port refuses new ones.
    pub(crate) fn stop(&mut self) {
        idle();
        self.state.stops.fetch_add(1, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.acceptor.take().expect("a listening upstream").join().unwrap();
        // A program that is being started at this moment holds a copy of the listener until it runs.
        let give_up = Instant::now() + DEADLINE;
        while TcpStream::connect(self.address).is_ok() {
            assert!(Instant::now() < give_up, "the port should refuse connections by now");
        }
        self.disconnect();
        idle();
    }

    /// Cuts every connection, and goes on listening.
    pub(crate) fn disconnect(&self) {
        for stream in self.state.book.lock().unwrap().open.values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    pub(crate) fn may_stay_unasked(mut self) -> Self {
        self.may_stay_unasked = true;
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn requests(&self) -> Vec<Arc<Request>> {
        self.state.book.lock().unwrap().requests.clone()
    }

    /// `initialize`, `notifications/initialized`, `GET`, … in the order in which they came.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.kind.clone()).collect()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.requests().iter().filter(|request| request.kind == kind).count()
    }

    /// Waits for the n-th (from 1) request of this kind.
    #[track_caller]
    pub(crate) fn wait_for(&self, kind: &str, n: usize) -> Arc<Request> {
        self.wait(&format!("{kind} number {n}"), |book| {
            book.requests.iter().filter(|request| request.kind == kind).nth(n - 1).cloned()
        })
    }

    /// Waits until this many connections have been closed by this side, and a moment longer.
    #[track_caller]
    pub(crate) fn wait_for_closed(&self, connections: usize) {
        self.wait(&format!("{connections} closed connections"), |book| (book.closed >= connections).then_some(()));
        idle();
    }

    /// Takes the oldest exchange of this kind that the handler holds.
    #[track_caller]
    pub(crate) fn take(&self, kind: &str) -> Exchange {
        self.wait(&format!("{kind} to be held"), |book| {
            let place = book.held.iter().position(|exchange| exchange.request.kind == kind)?;
            Some(book.held.remove(place))
        })
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut Book) -> Option<T>) -> T {
        let give_up = Instant::now() + DEADLINE;
        let mut book = self.state.book.lock().unwrap();
        loop {
            if let Some(found) = find(&mut book) {
                return found;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let kinds: Vec<_> = book.requests.iter().map(|request| request.kind.clone()).collect();
                drop(book);
                panic!("the upstream waited in vain for {what}; it saw {kinds:?}");
            }
            book = self.state.changed.wait_timeout(book, left).unwrap().0;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if self.acceptor.is_some() {
            self.stop();
        }
        // Exchanges own the state that holds them.
        let held = std::mem::take(&mut self.state.book.lock().unwrap().held);
        drop(held);
        if std::thread::panicking() {
            return;
        }
        let book = self.state.book.lock().unwrap();
        let (failures, asked) = (book.failures.clone(), !book.requests.is_empty());
        drop(book);
        assert!(failures.is_empty(), "in the upstream's handler: {failures:#?}");
        assert!(asked || self.may_stay_unasked, "the upstream was never asked");
    }
}

/// A connection that ends within the millisecond of its use may take a request with it, and nobody can tell; one that
/// ends when it has been idle must not.
fn idle() {
    std::thread::sleep(Duration::from_millis(2));
}

fn bound(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // On Windows this option would let two sockets share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// An address where connections neither succeed nor fail, because the listener's queue is full. It lasts as long as
/// what fills it.
#[cfg(target_os = "linux")]
pub(crate) fn black_hole() -> (SocketAddr, (Socket, Vec<TcpStream>)) {
    let hole = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    hole.listen(0).unwrap();
    let address = hole.local_addr().unwrap().as_socket().unwrap();
    let filling = std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok());
    let filling = filling.collect();
    (address, (hole, filling))
}
