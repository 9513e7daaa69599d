#![allow(clippy::unwrap_used)]

use clap::Parser;

use super::*;
use crate::auth::Authorizer;
use crate::cli::BridgeCommand;
use crate::config::Settings;
use crate::message::Id;
use crate::stdio;

#[test]
fn a_panic_in_the_task_of_a_request_is_answered_with_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let (read, write) = std::io::pipe().unwrap();
        let connection = stdio::join(std::io::empty(), write, 1024);
        let (sender, _events) = mpsc::unbounded_channel();
        let cli = BridgeCommand::parse_from(["mcp-ferry", "http://localhost/"]);
        let settings = Settings::new(&cli.url, cli.port, &cli.options).unwrap();
        let http = settings.http().unwrap();
        let authorizer = Authorizer::new(&settings.auth, &http);
        let memory = crate::upstream::recall(&settings.upstream, &authorizer).await;
        let connect = |client| Upstream::new(settings.upstream, authorizer, http, memory, client);
        let mut bridge = Bridge::new(connection.outgoing, connect, Options::default(), sender);
        let ticket = bridge.answers.pending.ticket();
        let task = bridge.tasks.running.spawn(async { panic!("this test wants a panic") });
        bridge.answers.pending.insert(ticket, vec![(Id::from_json("7"), "7".into())], vec![], &task);
        let end = bridge.tasks.running.join_next_with_id().await.unwrap();
        bridge.answers.task_end(end);
        assert_eq!(bridge.answers.pending.len(), 0, "an answered request is not pending");
        bridge.answers.outgoing.finish();
        connection.written.await.unwrap_err();
        let mut answer = Vec::new();
        drop(bridge);
        std::io::Read::read_to_end(&mut { read }, &mut answer).unwrap();
        answer
    });
    let answer = Message::parse(answer).unwrap();
    assert_eq!(answer.kind(), &Kind::Response { id: Id::from_json("7"), is_error: true });
}
