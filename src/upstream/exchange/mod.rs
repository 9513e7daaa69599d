//! One HTTP exchange with the server, and the way of what it returns to the client. Nothing here knows of sessions.
//!
//! * [`sender`] sends a request with its credential, [`tries`] says whether once more. [`backoff`] says how long to wait
//!   between two attempts, [`outage`] until when requests wait for a server that cannot be reached, [`repeatable`] which
//!   request may be sent again that was lost.
//! * [`response`] reads the response, and says which message answers the request; [`response_stream`] reads an event
//!   stream until then. [`mod@summary`] puts a body into one line for people; [`page`]
//!   finds the text of an HTML page for that.
//! * [`to_client`] delivers messages; [`server_requests`] counts the requests of the server that the client has not
//!   answered. [`outcome`] is what comes of a request and beside it.

pub(super) mod backoff;
mod outage;
mod outcome;
mod page;
mod repeatable;
pub(super) mod response;
pub(super) mod response_stream;
mod sender;
mod server_requests;
mod summary;
mod to_client;
mod tries;

pub(super) use outage::{LAST_ATTEMPT, Outage};
pub use outcome::{Event, Outcome};
pub(super) use outcome::{Reply, SessionEvent};
pub(crate) use response::{EventStream, events_of, has_type};
pub(super) use sender::{Sender, Sent};
pub(crate) use sender::{get_headers, post_headers};
pub(crate) use summary::summary;
pub use to_client::ToClient;
