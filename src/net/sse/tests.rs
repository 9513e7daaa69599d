#![allow(clippy::unwrap_used)]

use futures_util::stream;
use proptest::prelude::*;

use super::*;

/// The events of a stream, then its last id and delay.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    events: Vec<Result<(String, String), SseError>>,
    last_event_id: Option<String>,
    retry: Option<u64>,
}

fn parse(chunks: Vec<Vec<u8>>, limit: usize) -> Parsed {
    let body = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
    let mut events = Events::new(body, limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut parsed = Vec::new();
        while let Some(event) = events.next().await {
            parsed.push(event.map(|event| (event.name.into_owned(), String::from_utf8(event.data.to_vec()).unwrap())));
        }
        let retry = events.retry().map(|retry| u64::try_from(retry.as_millis()).unwrap());
        Parsed { events: parsed, last_event_id: events.last_event_id(), retry }
    })
}

fn whole(text: &str) -> Parsed {
    parse(vec![text.as_bytes().to_vec()], 1 << 20)
}

fn messages(data: &[&str]) -> Vec<Result<(String, String), SseError>> {
    data.iter().map(|data| Ok(("message".to_owned(), (*data).to_owned()))).collect()
}

#[test]
fn events_are_read_as_the_html_standard_says() {
    for (text, data) in [
        ("data: a\n\n", &["a"][..]),
        ("\u{feff}data: a\n\n", &["a"]),
        ("data: a\n\n\u{feff}data: b\n\n\u{feff}event: message\ndata: c\n\n", &["a", "b", "c"]),
        ("data:a\r\n\r\ndata:b\r\rdata: c\n\n", &["a", "b", "c"]),
        ("data: a\ndata:\ndata:  b\n\n", &["a\n\n b"]),
        (": comment\n\nevent: x\n\ndata: a\n\n", &["a"]),
        ("data\n\n", &[""]),
        ("data: unfinished\n", &[]),
        ("data: a\n\ndata: unfinished", &["a"]),
        ("unknown: x\ndata: a\n\n", &["a"]),
    ] {
        assert_eq!(whole(text).events, messages(data), "{text:?}");
    }
    assert_eq!(whole("event: endpoint\ndata: /m\n\n").events, [Ok(("endpoint".to_owned(), "/m".to_owned()))]);
}

#[test]
fn ids_and_delays_count_without_data_but_not_without_an_end() {
    let parsed = whole("retry: 1500\n\nid: 7\n\n");
    assert_eq!((parsed.last_event_id.as_deref(), parsed.retry), (Some("7"), Some(1500)));
    assert_eq!(whole("id: 7\n\nid: 8\n").last_event_id.as_deref(), Some("7"), "an incomplete event does not count");
    assert_eq!(whole("id: 7\n\nid\ndata: a\n\n").last_event_id, None, "an empty id resets it");
    assert_eq!(whole("id: a\0b\n\n").last_event_id, None);
    let long = "x".repeat(LONGEST_ID + 1);
    assert_eq!(whole(&format!("id: 7\n\nid: {long}\ndata: a\n\n")).last_event_id.as_deref(), Some("7"));
    assert_eq!(whole("retry: +5\n\nretry: 1.5\n\nretry:\n\n").retry, None);
}

#[test]
fn an_event_without_its_blank_line_is_had_only_on_request() {
    for (text, data) in [
        ("data: a\n\nid: 7\ndata: b", Some("b")),
        ("data: a\n\ndata: b\n", Some("b")),
        ("data: b\ndata: c", Some("b\nc")),
        ("data: a\n\n", None),
        ("data: a\n\nid: 7", None),
        (&format!("data: {}", "x".repeat(200)), None),
    ] {
        let body = stream::iter([Ok(Bytes::from(text.to_owned()))]);
        let mut events = Events::new(body, 100);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { while events.next().await.is_some() {} });
        let unfinished = events.unfinished().map(|event| event.data);
        assert_eq!(unfinished.as_deref(), data.map(str::as_bytes), "{text:?}");
        assert_eq!((events.last_event_id(), events.unfinished()), (None, None));
    }
}

#[test]
fn an_event_over_the_limit_is_skipped_and_the_next_one_read() {
    let long = "x".repeat(5000);
    for text in
        [format!("data: {long}\n\n"), format!("event: e\n{}\n", "data: xxxx\n".repeat(500)), format!(": {long}\n\n")]
    {
        let parsed = parse(vec![format!("data: a\n\n{text}data: b\n\n").into_bytes()], 4000);
        let [first, lost, next] = &parsed.events[..] else { panic!("{:?}", parsed.events) };
        assert_eq!((first, next), (&messages(&["a"])[0], &messages(&["b"])[0]));
        assert_eq!(lost, &Err(SseError::TooLong { limit: 4000, together: false, answer_id: None }));
    }
    let text = "data: a b c d e f g\n\u{feff}\ndata: b\n\n";
    for size in 1..text.len() {
        let parsed = parse(text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect(), 12);
        assert_eq!(parsed.events.len(), 2, "a byte order mark is no line, however it arrives: {size}");
        assert_eq!(parsed.events[1], messages(&["b"])[0]);
    }
    let answer = format!("id: 1\ndata: {{\"result\":{{\"id\":2,\"x\":\"{long}\"}},\"id\":7}}\n\n");
    for size in [1, 100, 4000, 9000] {
        let parsed = parse(answer.as_bytes().chunks(size).map(<[u8]>::to_vec).collect(), 4000);
        assert_eq!(
            parsed.events,
            [Err(SseError::TooLong { limit: 4000, together: false, answer_id: Some("7".to_owned()) })]
        );
    }
}

#[test]
fn invalid_utf8_is_replaced() {
    let parsed = parse(vec![b"data: a\xff\n\n".to_vec(), b"data: b\n\n".to_vec()], 100);
    assert_eq!(parsed.events, messages(&["a\u{fffd}", "b"]));
}

#[test]
fn a_long_line_is_read_like_a_short_one() {
    let long = "é".repeat(16 * 1024);
    let parsed = whole(&format!("data: {long}\n\ndata: [\ndata:{long}\ndata: ]\n\ndata: \u{0}0\n\n"));
    assert_eq!(parsed.events, messages(&[&long, &format!("[\n{long}\n]"), "\u{0}0"]));
}

#[test]
fn eight_megabytes_in_small_chunks_take_linear_time() {
    // This needs no clock: a quadratic parser would copy about 24 GB and exceed the time limit of any test.
    let data = "y".repeat(8 << 20);
    let chunks = format!("data: {data}\n\n").into_bytes().chunks(1400).map(<[u8]>::to_vec).collect();
    assert_eq!(parse(chunks, 1 << 24).events, messages(&[&data]));
    let lines = "data: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n".repeat(1 << 17) + "\n";
    let chunks = lines.into_bytes().chunks(1400).map(<[u8]>::to_vec).collect();
    assert_eq!(parse(chunks, 1 << 24).events.len(), 1);
}

#[test]
fn very_many_lines_of_one_event_take_linear_time_and_memory() {
    let lines = "data\n".repeat(1 << 18) + "\n";
    let parsed = parse(lines.into_bytes().chunks(16 * 1024).map(<[u8]>::to_vec).collect(), 1 << 28);
    assert_eq!(parsed.events, messages(&[&"\n".repeat((1 << 18) - 1)]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn how_the_bytes_are_cut_changes_nothing(
        lines in proptest::collection::vec("\u{feff}?(data|event|id|retry|:|x)?:? ?[a-z0-9é\u{0}]{0,6}(\n|\r\n|\r|\n\n|\r\n\r\n)", 0..12),
        bom in any::<bool>(),
        cuts in proptest::collection::vec(0..160usize, 0..8),
        limit in 8..60usize,
    ) {
        let text = format!("{}{}", if bom { "\u{feff}" } else { "" }, lines.concat()).into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut <= text.len()).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| text[pair[0]..pair[1]].to_vec()).collect();
        prop_assert_eq!(parse(pieces, limit), parse(vec![text], limit));
    }
}
