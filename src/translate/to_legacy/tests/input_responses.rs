//! What does a client send after it got input requests?

use super::*;

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#;

/// A call that was answered with input requests: its session, and that response.
fn asked(run: &mut Run, id: &str, server_request: &str) -> (u64, Value) {
    let (session, _) = sent(&run.ask(&modern(id, "tools/call", r#""name":"t""#, "")))[0];
    run.server_message(session, Some(id), server_request);
    (session, only_answer(&run.pass_time(GATHER)))
}

fn key(asked: &Value) -> String {
    asked["result"]["inputRequests"].as_object().unwrap().keys().next().unwrap().clone()
}

fn retry(id: &str, asked: &Value, responses: &str) -> Message {
    let state = &asked["result"]["requestState"];
    modern(id, "tools/call", &format!(r#""name":"t","requestState":{state},"inputResponses":{responses}"#), "")
}

#[test]
fn an_invalid_input_response_is_an_error_and_the_client_may_retry() {
    let mut run = Run::default();
    let (_, asked) = asked(&mut run, "1", ROOTS);
    let key = key(&asked);
    for invalid in ["[1]", "7", r#""no""#, &format!(r#"{{"{key}":7}}"#), &format!(r#"{{"{key}":null}}"#)] {
        let actions = run.ask(&retry("2", &asked, invalid));
        assert_eq!(only_answer(&actions)["error"]["code"], -32602, "{invalid}");
        assert_eq!(sent(&actions), [], "the server gets nothing of {invalid}");
    }
    let good = format!(r#"{{"{key}":{{"roots":[]}},"besides":7}}"#);
    let replies = sent(&run.ask(&retry("3", &asked, &good)));
    assert_eq!(replies.len(), 1, "an unknown key is ignored");
    assert_eq!(replies[0].1["result"], json!({ "roots": [] }));
}

#[test]
fn a_cancellation_is_of_the_last_request_that_had_the_id() {
    let mut run = Run::default();
    let (_, first) = asked(&mut run, "1", ROOTS);
    run.ask(&modern("1", "tools/list", "", ""));
    run.machine.client_cancelled(&cancellation("1"));
    assert_eq!(sent(&run.machine.actions()).len(), 1, "only the list is cancelled");
    let back = only_answer(&run.ask(&retry("2", &first, "{}")));
    assert_eq!(back["result"]["resultType"], "input_required", "the call is still there: {back}");
    run.machine.client_cancelled(&cancellation("1"));
    assert_eq!(sent(&run.machine.actions()), [], "and its id is not 1 any more");
}

#[test]
fn a_cancelled_request_passes_on_an_input_request_from_the_shared_stream() {
    let mut run = Run::default();
    let (session, _) = sent(&run.ask(&modern("1", "tools/call", r#""name":"a""#, "")))[0];
    run.ask(&modern("2", "tools/call", r#""name":"b""#, ""));
    run.server_message(session, None, ROOTS);
    assert_eq!(only_answer(&run.pass_time(GATHER))["id"], 2);
    run.machine.client_cancelled(&cancellation("2"));
    assert_eq!(sent(&run.machine.actions()).len(), 1, "the request is cancelled, the input request is not rejected");
    assert_eq!(only_answer(&run.pass_time(Duration::ZERO))["id"], 1, "it may belong to the other request");
}

#[test]
fn an_input_request_that_the_response_did_not_need_belongs_to_another_request() {
    for late in [false, true] {
        let mut run = Run::default();
        let (session, _) = sent(&run.ask(&modern("1", "tools/call", r#""name":"t""#, "")))[0];
        run.ask(&modern("2", "tools/call", r#""name":"t""#, ""));
        run.server_message(session, None, ROOTS);
        let second = only_answer(&run.pass_time(GATHER));
        assert_eq!(second["id"], 2, "a guess");
        assert_eq!(sent(&run.server_response(session, &message_result("2", "{}"))), []);
        let first = only_answer(&run.pass_time(Duration::ZERO));
        assert_eq!(first["id"], 1, "the second request is over");
        let responses = format!(r#"{{"{}":{{"roots":[]}}}}"#, key(&second));
        if late {
            let back = run.ask(&retry("3", &second, &responses));
            assert_eq!(only_answer(&back)["result"]["resultType"], "complete");
            assert_eq!(sent(&back)[0].1["id"], "q", "what the user has filled in is not lost");
        }
        let back = run.ask(&retry("4", &first, &responses));
        assert_eq!(sent(&back).len(), usize::from(!late), "there is one reply: {back:?}");
        assert_eq!(only_answer(&run.server_response(session, &message_result("1", "{}")))["id"], 4);
    }
}

#[test]
fn a_client_that_declares_less_in_its_retry_is_sent_less() {
    for answered in [true, false] {
        let mut run = Run::default();
        let (session, asked) = asked(&mut run, "1", ROOTS);
        let responses = if answered { format!(r#"{{"{}":{{}}}}"#, key(&asked)) } else { "{}".to_owned() };
        let back = retry("2", &asked, &responses).as_str().replace(CAPABILITIES, "{}");
        let mut replies = sent(&run.ask(&message(back)));
        if answered {
            replies = sent(&run.server_message(session, Some("1"), &ROOTS.replace("\"q\"", "\"r\"")));
        }
        assert_eq!(replies[0].1["error"]["code"], -32601, "the server gets the rejection: {replies:?}");
        assert_eq!(run.pass_time(GATHER), []);
        let failed = message(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no roots"}}"#);
        let response = only_answer(&run.server_response(session, &failed));
        assert_eq!(response["error"]["data"]["requiredCapabilities"], json!({ "roots": {} }), "the client's reason");
    }
}

#[test]
fn a_client_that_no_longer_declares_urls_gets_an_error_that_says_so() {
    let mut run = Run::default();
    let (session, _) = sent(&run.ask(&modern("1", "tools/call", r#""name":"t""#, "")))[0];
    let go = r#"{"code":-32042,"message":"go","data":{"elicitations":[{"url":"https://example.com","message":"m"}]}}"#;
    let asked =
        only_answer(&run.server_response(session, &message(format!(r#"{{"jsonrpc":"2.0","id":1,"error":{go}}}"#))));
    let back = retry("2", &asked, "{}").as_str().replace(CAPABILITIES, "{}");
    let response = only_answer(&run.ask(&message(back)));
    assert_eq!(response["error"]["code"], -32021, "{response}");
    assert_eq!(response["error"]["data"]["requiredCapabilities"], json!({ "elicitation": { "url": {} } }));
}

#[test]
fn a_retry_may_change_the_log_level() {
    let mut run = Run::default();
    let (session, asked) = asked(&mut run, "1", ROOTS);
    let state = &asked["result"]["requestState"];
    let level = r#""io.modelcontextprotocol/logLevel":"debug""#;
    let back = modern("2", "tools/call", &format!(r#""name":"t","requestState":{state},"inputResponses":{{}}"#), level);
    let sent = sent(&run.ask(&back));
    let levels: Vec<_> = sent.iter().filter(|(_, message)| message["method"] == "logging/setLevel").collect();
    assert_eq!(levels.len(), 1, "{sent:?}");
    assert_eq!((levels[0].0, &levels[0].1["params"]["level"]), (session, &json!("debug")));
}
