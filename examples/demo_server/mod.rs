//! A small MCP server over Streamable HTTP, for the demo and to try clients with.
//!
//! It speaks the revisions 2025-03-26 to 2025-11-25 and listens on 127.0.0.1 only. `endpoint` is the transport, `session`
//! the state of one client, and `tools` and `content` are what the server offers.

mod content;
mod endpoint;
mod session;
mod tools;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use session::Sessions;

/// A server that listens but does not serve yet.
pub struct DemoServer {
    listener: TcpListener,
}

impl DemoServer {
    /// Port 0 takes any free port.
    pub async fn bind(port: u16) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await? })
    }

    pub fn url(&self) -> io::Result<String> {
        let address: SocketAddr = self.listener.local_addr()?;
        Ok(format!("http://{address}/mcp"))
    }

    /// Serves for as long as it is polled.
    pub async fn serve(self) {
        let sessions = Arc::new(Sessions::default());
        loop {
            let Ok((stream, _)) = self.listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let sessions = Arc::clone(&sessions);
            let service = service_fn(move |request| endpoint::answer(Arc::clone(&sessions), request));
            tokio::spawn(async move {
                // A broken connection concerns only the client.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}
