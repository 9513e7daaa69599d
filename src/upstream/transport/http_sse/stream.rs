//! How is the stream of HTTP+SSE opened, and where does its server want its messages?

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Uri};

use crate::log;
use crate::net;
use crate::upstream::Failure;
use crate::upstream::exchange::response::{Body, EventStream, error_response, has_type, read_body};
use crate::upstream::exchange::{Sender, Sent, get_headers};
use crate::upstream::transport::open_error::SECRET_ID;

/// A longer address is refused before anything is done with it. Servers accept no longer ones themselves.
const LONGEST_ENDPOINT: usize = 8 * 1024;

/// A stream just opened, and the address for its messages.
pub(crate) type Opening = (EventStream, Uri);

/// Opens the stream and waits, within `bound`, for its first event, which names the address for messages.
pub(crate) async fn connect(sender: &Sender, bound: Duration) -> Result<Opening, Failure> {
    let no_endpoint = || Failure::Unusable(format!("{} opened a stream but named no endpoint on it", sender.host));
    let connecting = async {
        let Sent { response, moved } =
            sender.send(Method::GET, &sender.uri, &get_headers(), Bytes::new(), Duration::ZERO).await?;
        if !response.status().is_success() {
            return Err(Failure::Rpc(error_response(sender, response, false).await?));
        }
        if !has_type(response.headers(), "text/event-stream") {
            return Err(Failure::Unusable(format!("{} opened no stream", sender.host)));
        }
        let Body::Events(mut events) = read_body(sender, response).await? else { return Err(no_endpoint()) };
        loop {
            match events.next().await {
                Some(Ok(event)) if event.name == "endpoint" => {
                    let base = moved.unwrap_or_else(|| sender.uri.clone());
                    let endpoint = endpoint(&base, &event.data).map_err(Failure::Unusable)?;
                    return Ok((events, endpoint));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Err(Failure::Broken(format!("the stream from {} broke: {error}", sender.host)));
                }
                None => return Err(no_endpoint()),
            }
        }
    };
    tokio::time::timeout(bound, connecting).await.unwrap_or_else(|_| Err(no_endpoint()))
}

/// The address that an `endpoint` event names, which must be of the stream's own origin.
pub(crate) fn endpoint(base: &Uri, data: &[u8]) -> Result<Uri, String> {
    let host = net::origin(base);
    if data.len() > LONGEST_ENDPOINT {
        return Err(format!("{host} names an endpoint with an address of {} bytes", data.len()));
    }
    let text = String::from_utf8_lossy(data);
    let base = url::Url::parse(&base.to_string()).map_err(|error| error.to_string())?;
    let endpoint =
        base.join(text.trim()).map_err(|error| format!("the endpoint that {host} names is no address: {error}"))?;
    let endpoint = net::at_own_origin(&base, endpoint);
    log::hide_url(&endpoint, SECRET_ID);
    if endpoint.origin() != base.origin() {
        let there = log::foreign(&endpoint.origin().ascii_serialization());
        return Err(format!("{host} names an endpoint at {there}, which must not get this origin's messages"));
    }
    endpoint.as_str().parse().map_err(|_| format!("the endpoint that {host} names is no address"))
}
