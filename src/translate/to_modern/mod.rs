//! A legacy client at a modern server: what each sends, in the form that the other knows. State machines without I/O.
//!
//! [`Client`] is what the client sent in `initialize`; every request to the server repeats it. A [`Call`] is one
//! request of the client's until its one response, through all rounds with the server. [`NotificationFilter`] is the
//! set of notifications that the client gets. [`results`] translates responses.

mod call;
mod client;
mod input_requests;
mod notification_filter;
pub(crate) mod results;
mod task;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub(crate) use call::{Call, Next, Step};
pub(crate) use client::{Client, ClientContext, LocalAnswer};
pub(crate) use notification_filter::{
    NotificationFilter, SubscriptionEvent, result_with_subscription_id, with_subscription_id,
};
