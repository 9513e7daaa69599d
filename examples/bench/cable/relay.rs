//! What would these connections be like if the server were far away? A TCP relay that delays every byte.
//!
//! A byte needs half a round trip. A new connection needs one more before its first bytes leave, which is TCP's handshake.
//! Nothing else is imitated: neither the throughput nor the number of bytes in flight has a limit, and nothing is lost.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// More than a socket's buffer holds on loopback, so that a long message needs few steps.
const PART: usize = 256 * 1024;

/// Carries every connection that the listener accepts to this address. Threads that sleep are used, since they wake more
/// precisely than an asynchronous timer, which counts in milliseconds.
pub fn serve(listener: &TcpListener, to: impl ToSocketAddrs, round_trip: Duration) {
    for near in listener.incoming().flatten() {
        let opened = Instant::now() + round_trip;
        // A server that cannot be reached ends the connection, which the client notices.
        if let Ok(far) = TcpStream::connect(&to) {
            let _ = carry(&near, &far, opened, round_trip / 2);
        }
    }
}

/// Carries the bytes of both directions until each has ended.
fn carry(near: &TcpStream, far: &TcpStream, opened: Instant, delay: Duration) -> io::Result<()> {
    for (from, to) in [(near, far), (far, near)] {
        to.set_nodelay(true)?;
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        carry_one_way(from, to, opened, delay);
    }
    Ok(())
}

/// Reads at once whatever arrives, and writes it when its time has come.
fn carry_one_way(mut from: TcpStream, mut to: TcpStream, opened: Instant, delay: Duration) {
    let (sender, parts) = channel::<(Instant, Vec<u8>)>();
    let Ok(ended) = from.try_clone() else { return };
    thread::spawn(move || {
        let mut buffer = vec![0; PART];
        loop {
            let length = from.read(&mut buffer).unwrap_or(0);
            let due = Instant::now().max(opened) + delay;
            // An empty part is the end of this direction.
            if sender.send((due, buffer[..length].to_vec())).is_err() || length == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, part) in parts {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if part.is_empty() {
                let _ = to.shutdown(Shutdown::Write);
            } else if to.write_all(&part).is_err() {
                // Nobody reads any more. This ends the other thread, too.
                let _ = ended.shutdown(Shutdown::Both);
                return;
            }
        }
    });
}
