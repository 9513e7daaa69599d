//! How does the bridge learn which tools are read-only? It requests `tools/list` itself when `--read-only` meets a tool
//! that no list has shown.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::message::{Id, Kind, Message, OwnRequests};
use crate::tools::{Filter, ListPages, OwnList, Verdict};
use crate::upstream::{Failure, Outcome, Upstream};

/// A server whose list has more pages than this may never end it.
const MAX_PAGES: usize = 1000;

/// How long the list may take, with all its pages and attempts.
const LIST: Duration = Duration::from_secs(60);

/// How often the list is requested because the tools changed meanwhile.
const ATTEMPTS: usize = 3;

/// Requests the list. However many calls need it, one request at a time is sent.
#[derive(Default)]
pub(super) struct ToolList {
    pub(super) requests: OwnRequests,
    /// Why the last attempt failed, and when. The call that requests the list holds the lock; the other calls wait for
    /// the lock, and take that attempt's result.
    last_failure: tokio::sync::Mutex<Option<(Instant, String)>>,
}

impl ToolList {
    /// Requests the list for this call, and adds it to the filter. An error is a sentence that says why it failed.
    pub(super) async fn learn(
        &self,
        filter: &Mutex<Filter>,
        upstream: &Upstream,
        call: &Message,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let mut last_failure = self.last_failure.lock().await;
        if !matches!(filter.lock().judge(call), Verdict::NeedList(_)) {
            return Ok(());
        }
        if let Some((_, why)) = last_failure.as_ref().filter(|(at, _)| *at >= begun) {
            return Err(why.clone());
        }
        let learned = tokio::time::timeout(LIST, self.learn_now(filter, upstream, call))
            .await
            .unwrap_or_else(|_| Err(format!("the list of tools has not come within {} seconds", LIST.as_secs())));
        *last_failure = learned.as_ref().err().map(|why| (Instant::now(), why.clone()));
        learned
    }

    async fn learn_now(&self, filter: &Mutex<Filter>, upstream: &Upstream, call: &Message) -> Result<(), String> {
        for _ in 0..ATTEMPTS {
            let list = filter.lock().own_list();
            let list = self.all_pages(list, upstream, call).await?;
            if filter.lock().learn_all(list) {
                return Ok(());
            }
        }
        Err("the server's tools change faster than they can be listed".to_owned())
    }

    async fn all_pages(&self, mut list: OwnList, upstream: &Upstream, call: &Message) -> Result<OwnList, String> {
        let mut pages = ListPages::for_call(call);
        for _ in 0..MAX_PAGES {
            let answer = self.request(upstream, &pages.request(&self.requests.next_id())).await;
            let answer = answer.map_err(|failure| format!("the server's tools cannot be listed: {failure}"))?;
            list.add(&answer);
            if !pages.advance(&answer) {
                return Ok(list);
            }
        }
        Err(format!("the server's list of tools has more than {MAX_PAGES} pages"))
    }

    /// Sends a request and waits for its answer, which is a result.
    async fn request(&self, upstream: &Upstream, request: &Message) -> Result<Message, Failure> {
        // Waits before it sends: the answer may come before the 202 that says that it comes on another stream.
        let answer = self.requests.wait(Id::from_json(request.raw_id().unwrap_or("null")));
        let answer = match upstream.request_list(request).await? {
            Outcome::Answer(answer) => answer,
            Outcome::Elsewhere(_) | Outcome::Batch(_) | Outcome::Done => answer
                .await
                .ok_or_else(|| Failure::Broken("the stream broke before the list of tools came".to_owned()))?,
        };
        match answer.kind() {
            Kind::Response { is_error: false, .. } => Ok(answer),
            _ => Err(Failure::Rpc(answer)),
        }
    }
}
