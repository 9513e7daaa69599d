//! Which codes do errors to the client and to the server have?

use super::*;

#[test]
fn a_code_that_the_modern_era_forbids_is_replaced() {
    for (method, params) in [
        ("tools/call", r#""name":"t""#),
        ("prompts/get", r#""name":"t""#),
        ("resources/read", r#""uri":"a:b""#),
        ("tools/list", ""),
        ("vendor/method", ""),
    ] {
        for (code, modern_code) in [(-32002, -32602), (-32042, -32603), (-32000, -32000)] {
            let mut run = Run::default();
            let (session, _) = sent(&run.ask(&modern("1", method, params, "")))[0];
            let error = format!(r#"{{"code":{code},"message":"m","data":{{"uri":"a:b"}}}}"#);
            let answer = message(format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#));
            let response = only_answer(&run.server_response(session, &answer));
            let expected = json!({ "code": modern_code, "message": "m", "data": { "uri": "a:b" } });
            assert_eq!(response["error"], expected, "{method}: only the code changes");
        }
    }
}

#[test]
fn a_server_request_that_the_client_does_not_declare_is_rejected_with_the_right_code() {
    for (declared, question, code) in [
        ("{}", r#""method":"roots/list""#, Some(-32601)),
        ("{}", r#""method":"sampling/createMessage","params":{}"#, Some(-32601)),
        ("{}", r#""method":"elicitation/create","params":{"mode":"url"}"#, Some(-32601)),
        (r#"{"elicitation":{}}"#, r#""method":"elicitation/create","params":{"mode":"form"}"#, None),
        (r#"{"elicitation":{}}"#, r#""method":"elicitation/create","params":{}"#, None),
        (r#"{"elicitation":{}}"#, r#""method":"elicitation/create","params":{"mode":"url"}"#, Some(-32602)),
        (r#"{"elicitation":{"form":{}}}"#, r#""method":"elicitation/create","params":{"mode":"url"}"#, Some(-32602)),
        (r#"{"elicitation":{"url":{}}}"#, r#""method":"elicitation/create","params":{"mode":"url"}"#, None),
        (r#"{"elicitation":{"url":{}}}"#, r#""method":"elicitation/create","params":{}"#, Some(-32602)),
        (CAPABILITIES, r#""method":"vendor/question","params":{}"#, Some(-32601)),
    ] {
        let mut run = Run::default();
        let call = modern("1", "tools/call", r#""name":"t""#, "").as_str().replace(CAPABILITIES, declared);
        let (session, _) = sent(&run.ask(&message(call)))[0];
        let refused = run.server_message(session, Some("1"), &format!(r#"{{"jsonrpc":"2.0","id":"q",{question}}}"#));
        let rejection = sent(&refused).first().and_then(|(_, sent)| sent["error"]["code"].as_i64());
        assert_eq!(rejection, code, "{declared} {question}");
    }
}
