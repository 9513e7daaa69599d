//! Are messages of a bus written and read as the specification says, however they come?

use std::thread;

use super::*;

#[test]
fn a_call_has_the_header_of_the_specification() {
    let method = Method { destination: "d", path: "/p", interface: "i", name: "n" };
    let mut body = Writer::default();
    body.text("x");
    let message = message(7, method, "s", &body);
    let bytes = message.bytes();
    assert_eq!(bytes[..12], [b'l', 1, 0, 1, 6, 0, 0, 0, 7, 0, 0, 0], "six bytes of body, serial 7");
    assert_eq!(bytes[bytes.len() - 6..], [1, 0, 0, 0, b'x', 0]);
    assert_eq!((bytes.len() - 6) % 8, 0, "the body is aligned");
    let fields = usize::try_from(u32::from_le_bytes(bytes[12..16].try_into().unwrap())).unwrap();
    let mut received = Received::default();
    received.read_fields(bytes, 16 + fields);
    assert_eq!((received.path.as_deref(), received.member.as_deref()), (Some("/p"), Some("n")));
}

#[test]
fn an_unknown_field_of_a_header_ends_it() {
    let mut head = Writer::default();
    head.append(&[b'l', SIGNAL, 0, 1]);
    head.number(0);
    head.number(1);
    head.array(8, |array| {
        for (code, kind) in [(MEMBER, "s"), (99, "ax")] {
            array.structure();
            array.byte(code);
            array.signature(kind);
            array.text("Completed");
        }
    });
    let mut received = Received::default();
    received.read_fields(head.bytes(), head.bytes().len());
    assert_eq!(received.member.as_deref(), Some("Completed"));
}

/// A message to us, in the answer to that call or as a signal of an object.
fn sent(kind: u8, reply_to: u32, member: &str, text: &str) -> Vec<u8> {
    let mut body = Writer::default();
    body.text(text);
    let mut message = Writer::default();
    message.append(&[b'l', kind, 0, 1]);
    message.number(u32::try_from(body.bytes().len()).unwrap());
    message.number(99);
    message.array(8, |array| {
        for (code, value) in [(PATH, "/p"), (MEMBER, member), (ERROR_NAME, "x.IsLocked")] {
            array.structure();
            array.byte(code);
            array.signature("s");
            array.text(value);
        }
        array.structure();
        array.byte(REPLY_SERIAL);
        array.signature("u");
        array.number(reply_to);
    });
    message.align(8);
    message.append(body.bytes());
    message.bytes().to_vec()
}

/// A connection on which these bytes come, a few at a time, and then the end.
fn bus(bytes: Vec<u8>) -> (Bus, thread::JoinHandle<UnixStream>) {
    let (stream, mut other) = UnixStream::pair().unwrap();
    let other = thread::spawn(move || {
        bytes.chunks(5).for_each(|chunk| other.write_all(chunk).unwrap());
        other.shutdown(std::net::Shutdown::Write).unwrap();
        // It still takes what is sent.
        other
    });
    (Bus { stream, serial: 0, deadline: Instant::now() + Duration::from_secs(60) }, other)
}

const METHOD: Method<'_> = Method { destination: "d", path: "/p", interface: "i", name: "n" };

#[test]
fn an_answer_is_the_one_to_this_call() {
    let others = [sent(SIGNAL, 0, "Other", "a signal"), sent(REPLY, 7, "", "another's")];
    let (mut bus, other) = bus([others.concat(), sent(REPLY, 1, "", "ours")].concat());
    assert_eq!(bus.call(METHOD, "", &Writer::default()).unwrap().body().text(), Some("ours"));
    other.join().unwrap();
}

#[test]
fn a_signal_is_awaited_behind_the_answer() {
    let messages =
        [sent(REPLY, 1, "", ""), sent(REPLY, 2, "", ""), sent(SIGNAL, 0, "Other", ""), sent(SIGNAL, 0, "Done", "it")];
    let (mut bus, other) = bus(messages.concat());
    let signal = bus.call_for_signal(METHOD, "", &Writer::default(), "Done").unwrap();
    assert_eq!(signal.body().text(), Some("it"));
    other.join().unwrap();
}

#[test]
fn a_refusal_has_its_name_and_text() {
    let (mut bus, other) = bus(sent(ERROR, 1, "", "locked"));
    let error = bus.call(METHOD, "", &Writer::default()).unwrap_err();
    assert_eq!(error.to_string(), "x.IsLocked: locked");
    other.join().unwrap();
}

#[test]
fn a_bus_that_ends_or_sends_too_much_is_an_error() {
    let mut huge = sent(REPLY, 1, "", "");
    huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let cut = sent(REPLY, 1, "", "cut off");
    for bytes in [Vec::new(), cut[..cut.len() - 1].to_vec(), huge] {
        let (mut bus, other) = bus(bytes);
        assert!(matches!(bus.call(METHOD, "", &Writer::default()), Err(BusError::Cut(_))));
        drop(bus);
        other.join().ok();
    }
}

#[test]
fn nobody_is_waited_for_longer_than_the_limit() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let mut bus = Bus { stream, serial: 0, deadline: Instant::now() };
    assert!(matches!(bus.call(METHOD, "", &Writer::default()), Err(BusError::Cut(_))));
}
