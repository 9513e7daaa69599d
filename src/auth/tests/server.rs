//! A loopback server whose responses a test chooses. It records the requests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::auth::fetch::Fetch;
use crate::net::{AddressScope, Http, Network, Proxy};

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub(crate) fn json(&self) -> Map<String, Value> {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Status, headers, body.
pub(crate) struct Answer(pub(crate) u16, pub(crate) Vec<(&'static str, String)>, pub(crate) String);

impl From<(u16, Value)> for Answer {
    fn from((status, body): (u16, Value)) -> Self {
        Self(status, vec![("content-type", "application/json".to_owned())], body.to_string())
    }
}

impl From<(u16, &str)> for Answer {
    fn from((status, body): (u16, &str)) -> Self {
        Self(status, vec![("content-type", "text/html".to_owned())], body.to_owned())
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) origin: String,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `script` gets each request and the server's origin. If it returns `None`, the response is 404.
    pub(crate) async fn start(script: impl FnMut(&Seen, &str) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { origin, seen: Arc::default() };
        let script = Arc::new(Mutex::new(script));
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (this, script) = (this.clone(), Arc::clone(&script));
                let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let (this, script) = (this.clone(), Arc::clone(&script));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let seen = Seen {
                            method: head.method.to_string(),
                            target: head.uri.to_string(),
                            headers: head.headers,
                            body: String::from_utf8(body.to_vec()).unwrap(),
                        };
                        let answer = (script.lock().unwrap())(&seen, &this.origin);
                        this.seen.lock().unwrap().push(seen);
                        let Answer(status, headers, body) = answer.unwrap_or_else(|| (404, "not here").into());
                        let mut response = Response::builder().status(status);
                        for (name, value) in headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        server
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }
}

/// The client under test. It uses http, because these tests are not about certificates.
pub(crate) fn fetch() -> Fetch {
    Fetch::new(Http::new(&Network { proxy: Proxy::None, ..Network::default() }).unwrap(), false, AddressScope::Any)
}

/// The metadata of an authorization server with all endpoints.
pub(crate) fn metadata(origin: &str, issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
        "code_challenge_methods_supported": ["S256"],
    })
}

/// An issuer with these metadata; members of `more` replace its members.
pub(crate) fn issuer(origin: &str, more: Value) -> crate::auth::record::Issuer {
    let Value::Object(mut document) = metadata(origin, origin) else { unreachable!() };
    let Value::Object(more) = more else { panic!("more metadata are an object") };
    document.extend(more);
    document.retain(|_, value| !value.is_null());
    let resource = Some(format!("{origin}/mcp"));
    crate::auth::record::Issuer { issuer: origin.to_owned(), resource, metadata: document, ..Default::default() }
}
