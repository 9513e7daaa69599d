//! What does a client come back with, or say instead of coming back?

use super::*;

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#;

/// A call that the client was asked something for: the session, the answer that asks.
fn asked(run: &mut Run, id: &str, question: &str) -> (u64, Value) {
    let (session, _) = sent(&run.ask(&modern(id, "tools/call", r#""name":"t""#, "")))[0];
    run.said(session, Some(id), question);
    (session, only_answer(&run.pass(GATHER)))
}

fn key(asked: &Value) -> String {
    asked["result"]["inputRequests"].as_object().unwrap().keys().next().unwrap().clone()
}

fn comes_back(id: &str, asked: &Value, responses: &str) -> Message {
    let state = &asked["result"]["requestState"];
    modern(id, "tools/call", &format!(r#""name":"t","requestState":{state},"inputResponses":{responses}"#), "")
}

fn cancellation_of(id: &str) -> Message {
    message(format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#))
}

#[test]
fn what_is_no_response_is_an_error_and_the_client_may_try_again() {
    let mut run = Run::new();
    let (_, asked) = asked(&mut run, "1", ROOTS);
    let key = key(&asked);
    for odd in ["[1]", "7", r#""no""#, &format!(r#"{{"{key}":7}}"#), &format!(r#"{{"{key}":null}}"#)] {
        let actions = run.ask(&comes_back("2", &asked, odd));
        assert_eq!(only_answer(&actions)["error"]["code"], -32602, "{odd}");
        assert_eq!(sent(&actions), [], "the server hears nothing of {odd}");
    }
    let good = format!(r#"{{"{key}":{{"roots":[]}},"besides":7}}"#);
    let replies = sent(&run.ask(&comes_back("3", &asked, &good)));
    assert_eq!(replies.len(), 1, "what nobody asked for is passed over");
    assert_eq!(replies[0].1["result"], json!({ "roots": [] }));
}

#[test]
fn a_cancellation_that_crosses_the_questions_ends_what_they_are_about() {
    let mut run = Run::new();
    let (_, asked) = asked(&mut run, "1", ROOTS);
    run.machine.cancelled(&cancellation_of("1"));
    let ended = sent(&run.machine.actions());
    assert_eq!((&ended[0].1["id"], ended[0].1["error"].is_object()), (&json!("q"), true), "{ended:?}");
    assert_eq!(ended[1].1["params"]["requestId"], 1, "the server need not go on: {ended:?}");
    let late = run.ask(&comes_back("2", &asked, "{}"));
    assert_eq!(only_answer(&late)["error"]["code"], -32602);
}

#[test]
fn a_cancellation_is_of_the_last_request_that_had_the_id() {
    let mut run = Run::new();
    let (_, first) = asked(&mut run, "1", ROOTS);
    run.ask(&modern("1", "tools/list", "", ""));
    run.machine.cancelled(&cancellation_of("1"));
    assert_eq!(sent(&run.machine.actions()).len(), 1, "the list alone is cancelled");
    let back = only_answer(&run.ask(&comes_back("2", &first, "{}")));
    assert_eq!(back["result"]["resultType"], "input_required", "the call is still there: {back}");
    run.machine.cancelled(&cancellation_of("1"));
    assert_eq!(sent(&run.machine.actions()), [], "and is not the request 1 any more");
}

#[test]
fn a_cancelled_request_leaves_a_question_on_the_shared_stream_to_the_next() {
    let mut run = Run::new();
    let (session, _) = sent(&run.ask(&modern("1", "tools/call", r#""name":"a""#, "")))[0];
    run.ask(&modern("2", "tools/call", r#""name":"b""#, ""));
    run.said(session, None, ROOTS);
    assert_eq!(only_answer(&run.pass(GATHER))["id"], 2);
    run.machine.cancelled(&cancellation_of("2"));
    assert_eq!(sent(&run.machine.actions()).len(), 1, "the request is cancelled, the question not answered");
    assert_eq!(only_answer(&run.pass(Duration::ZERO))["id"], 1, "it may be the other's");
}

#[test]
fn a_question_that_the_server_did_without_is_another_request_s() {
    for late in [false, true] {
        let mut run = Run::new();
        let (session, _) = sent(&run.ask(&modern("1", "tools/call", r#""name":"t""#, "")))[0];
        run.ask(&modern("2", "tools/call", r#""name":"t""#, ""));
        run.said(session, None, ROOTS);
        let second = only_answer(&run.pass(GATHER));
        assert_eq!(second["id"], 2, "a guess");
        assert_eq!(sent(&run.answered(session, &message_result("2", "{}"))), []);
        let first = only_answer(&run.pass(Duration::ZERO));
        assert_eq!(first["id"], 1, "the server waits for no reply to the second");
        let responses = format!(r#"{{"{}":{{"roots":[]}}}}"#, key(&second));
        if late {
            let back = run.ask(&comes_back("3", &second, &responses));
            assert_eq!(only_answer(&back)["result"]["resultType"], "complete");
            assert_eq!(sent(&back)[0].1["id"], "q", "what a person has filled in is not lost");
        }
        let back = run.ask(&comes_back("4", &first, &responses));
        assert_eq!(sent(&back).len(), usize::from(!late), "there is one reply: {back:?}");
        assert_eq!(only_answer(&run.answered(session, &message_result("1", "{}")))["id"], 4);
    }
}

#[test]
fn a_client_that_declares_less_when_it_comes_back_is_asked_less() {
    for answered in [true, false] {
        let mut run = Run::new();
        let (session, asked) = asked(&mut run, "1", ROOTS);
        let responses = if answered { format!(r#"{{"{}":{{}}}}"#, key(&asked)) } else { "{}".to_owned() };
        let back = comes_back("2", &asked, &responses).as_str().replace(CAPABILITIES, "{}");
        let mut replies = sent(&run.ask(&message(back)));
        if answered {
            replies = sent(&run.said(session, Some("1"), &ROOTS.replace("\"q\"", "\"r\"")));
        }
        assert_eq!(replies[0].1["error"]["code"], -32601, "the server hears that it cannot be asked: {replies:?}");
        assert_eq!(run.pass(GATHER), []);
        let failed = message(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no roots"}}"#);
        let told = only_answer(&run.answered(session, &failed));
        assert_eq!(told["error"]["data"]["requiredCapabilities"], json!({ "roots": {} }), "and the client why: {told}");
    }
}

#[test]
fn a_client_that_cannot_be_sent_to_an_address_any_more_hears_what_it_lacks() {
    let mut run = Run::new();
    let (session, _) = sent(&run.ask(&modern("1", "tools/call", r#""name":"t""#, "")))[0];
    let go = r#"{"code":-32042,"message":"go","data":{"elicitations":[{"url":"https://example.com","message":"m"}]}}"#;
    let asked = only_answer(&run.answered(session, &message(format!(r#"{{"jsonrpc":"2.0","id":1,"error":{go}}}"#))));
    let back = comes_back("2", &asked, "{}").as_str().replace(CAPABILITIES, "{}");
    let told = only_answer(&run.ask(&message(back)));
    assert_eq!(told["error"]["code"], -32021, "{told}");
    assert_eq!(told["error"]["data"]["requiredCapabilities"], json!({ "elicitation": { "url": {} } }));
}

#[test]
fn a_reply_that_the_server_does_not_take_ends_the_request() {
    let mut run = Run::new();
    let (session, asked) = asked(&mut run, "1", ROOTS);
    let replied = run.ask(&comes_back("2", &asked, &format!(r#"{{"{}":{{}}}}"#, key(&asked))));
    let [Action::Reply { exchange, .. }] = replied[..] else { panic!("{replied:?}") };
    let refusal = message(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}"#);
    run.machine.refused(exchange, &refusal, run.now);
    let ended = run.machine.actions();
    let told = only_answer(&ended);
    assert_eq!((&told["id"], &told["error"]["message"]), (&json!(2), &json!("what?")));
    assert_eq!(sent(&ended)[0].1["params"]["requestId"], 1, "the server waits no more: {ended:?}");
    assert_eq!(run.answered(session, &message_result("1", "{}")), [], "a late answer is nobody's");
}

#[test]
fn a_client_that_comes_back_for_other_log_messages_is_told_those() {
    let mut run = Run::new();
    let (session, asked) = asked(&mut run, "1", ROOTS);
    let state = &asked["result"]["requestState"];
    let level = r#""io.modelcontextprotocol/logLevel":"debug""#;
    let back = modern("2", "tools/call", &format!(r#""name":"t","requestState":{state},"inputResponses":{{}}"#), level);
    let told = sent(&run.ask(&back));
    let levels: Vec<_> = told.iter().filter(|(_, message)| message["method"] == "logging/setLevel").collect();
    assert_eq!(levels.len(), 1, "{told:?}");
    assert_eq!((levels[0].0, &levels[0].1["params"]["level"]), (session, &json!("debug")));
}
