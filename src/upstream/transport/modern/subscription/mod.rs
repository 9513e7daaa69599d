//! Which notifications does a modern server send unasked? Those on the streams of `subscriptions/listen`, opened again
//! whenever they break ("Subscriptions").
//!
//! Nothing resumes such a stream. What changed while there was none is made up for: the client is notified that
//! everything it subscribed to may have changed.

mod combined;
mod forwarded;
mod listener;
mod stream;
mod streams;

pub(super) use combined::CombinedSubscription;
pub(crate) use forwarded::{ended, forward};
