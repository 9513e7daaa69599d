//! What does the server know of one client, and how does it send that client a request?

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// Sends on one of the client's open streams: an SSE event for each item.
pub type Stream = mpsc::UnboundedSender<Bytes>;

#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    pub fn create(&self, revision: &str, capabilities: Value) -> (String, Arc<Session>) {
        let mut random = [0; 16];
        // Without randomness others could guess the session's id.
        SystemRandom::new().fill(&mut random).expect("the system's source of randomness");
        let id = format!("{:032x}", u128::from_ne_bytes(random));
        let session = Arc::new(Session { revision: revision.to_owned(), capabilities, ..Session::default() });
        lock(&self.open).insert(id.clone(), Arc::clone(&session));
        (id, session)
    }

    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        lock(&self.open).get(id).cloned()
    }

    pub fn close(&self, id: &str) -> bool {
        lock(&self.open).remove(id).is_some()
    }
}

#[derive(Default)]
pub struct Session {
    pub revision: String,
    pub capabilities: Value,
    waiting: Mutex<HashMap<String, oneshot::Sender<Value>>>,
    next: AtomicU64,
    running: Mutex<HashMap<String, Arc<tokio::sync::Notify>>>,
    get_stream: Mutex<Option<Stream>>,
    level: Mutex<Option<String>>,
}

impl Session {
    /// Sends a request on this stream and waits for the client's response.
    pub async fn request(&self, stream: &Stream, method: &str, params: Value) -> Option<Value> {
        let id = format!("server-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, reply) = oneshot::channel();
        lock(&self.waiting).insert(id.clone(), sender);
        send(stream, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        reply.await.ok()
    }

    /// Takes the client's response to such a request.
    pub fn respond(&self, reply: &Value) {
        let waiting = reply["id"].as_str().and_then(|id| lock(&self.waiting).remove(id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(reply.clone());
        }
    }

    /// Notified when the client cancels the request with this id.
    pub fn started(&self, id: &Value) -> Arc<tokio::sync::Notify> {
        Arc::clone(lock(&self.running).entry(id.to_string()).or_default())
    }

    pub fn ended(&self, id: &Value) {
        lock(&self.running).remove(&id.to_string());
    }

    pub fn cancel(&self, id: &Value) {
        if let Some(running) = lock(&self.running).remove(&id.to_string()) {
            running.notify_one();
        }
    }

    /// Takes the stream for messages that belong to no request. A second stream replaces the first.
    pub fn open_get_stream(&self, stream: Stream) {
        *lock(&self.get_stream) = Some(stream);
    }

    pub fn set_level(&self, level: &str) {
        *lock(&self.level) = Some(level.to_owned());
    }

    /// Sends a log message, if the client has set a level that includes it.
    pub fn log(&self, text: &str) {
        let (level, stream) = (lock(&self.level).clone(), lock(&self.get_stream).clone());
        if let (Some("debug" | "info"), Some(stream)) = (level.as_deref(), stream) {
            let params = json!({"level": "info", "logger": "demo", "data": text});
            send(&stream, &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params}));
        }
    }
}

pub fn send(stream: &Stream, message: &Value) {
    // This fails if the client has closed the stream; then the request ends anyway.
    let _ = stream.send(format!("event: message\ndata: {message}\n\n").into());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
