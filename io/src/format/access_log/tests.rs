use super::*;
use proptest::prelude::*;

const COMBINED: &str = r#"198.51.100.9 - ada [17/May/2015:10:05:03 +0000] "POST /a b?c HTTP/1.1" 301 17 "http://example.com/?q=\"x\"" "Mozilla/5.0 (X11) [de]""#;

#[test]
fn a_combined_line() {
    let expected = AccessLog {
        client: "198.51.100.9",
        ident: "-",
        user: "ada",
        time: "17/May/2015:10:05:03 +0000",
        request: "POST /a b?c HTTP/1.1",
        status: 301,
        bytes: Some(17),
        tail: r#" "http://example.com/?q=\"x\"" "Mozilla/5.0 (X11) [de]""#,
    };
    assert_eq!(parse(COMBINED), Ok(expected));
    assert_eq!(parse(&format!("{COMBINED}\r\n")), Ok(expected));
    assert_eq!(expected.path(), Some("/a b?c"));
    let (referer, user_agent) = (r#"http://example.com/?q=\"x\""#, "Mozilla/5.0 (X11) [de]");
    assert_eq!((expected.referer(), expected.user_agent()), (Some(referer), Some(user_agent)));
    assert_eq!(expected.timestamp_millis(), Some(1_431_857_103_000));
}

#[test]
fn a_common_line() {
    let line = "host.example - - [07/Mar/2004:16:05:49 -0800] \"GET / HTTP/1.0\" 304 -\r";
    let log = parse(line).unwrap();
    assert_eq!((log.client, log.status, log.bytes), ("host.example", 304, None));
    assert_eq!((log.referer(), log.user_agent()), (None, None));
    assert_eq!(log.timestamp_millis(), Some(1_078_704_349_000));
}

#[test]
fn what_may_follow_the_byte_count() {
    let head = r#"::1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#;
    for (tail, referer, user_agent) in [
        ("", None, None),
        (" ", None, None),
        (r#" "-" "-""#, None, None),
        (r#" "" """#, Some(""), Some("")),
        (r#" "-" "cut of"#, None, Some("cut of")),
        (r#" "cut o\"f"#, Some(r#"cut o\"f"#), None),
        (r#" "cut \"#, Some(r"cut \"), None),
        (r#" "r" "a" "10.0.0.1, 10.0.0.2" 0.004"#, Some("r"), Some("a")),
        (" 0.001 upstream", None, None),
    ] {
        let line = format!("{head}{tail}");
        let log = parse(&line).unwrap();
        assert_eq!((log.bytes, log.referer(), log.user_agent()), (Some(5), referer, user_agent), "{line}");
    }
}

#[test]
fn requests_of_every_kind() {
    for (request, method, path, protocol) in [
        ("GET /a?b=c HTTP/1.1", Some("GET"), Some("/a?b=c"), Some("HTTP/1.1")),
        ("GET /old", Some("GET"), Some("/old"), None),
        ("GET /a b c HTTP/2.0", Some("GET"), Some("/a b c"), Some("HTTP/2.0")),
        ("M-SEARCH * HTTP/1.1", Some("M-SEARCH"), Some("*"), Some("HTTP/1.1")),
        (r#"GET /\"q\\ HTTP/1.1"#, Some("GET"), Some(r#"/\"q\\"#), Some("HTTP/1.1")),
        (r"GET /\x22 HTTP/1.1", Some("GET"), Some(r"/\x22"), Some("HTTP/1.1")),
        ("GET /größe HTTP/1.1", Some("GET"), Some("/größe"), Some("HTTP/1.1")),
        (r"\x16\x03\x01 \x02", None, None, None),
        ("\u{16}\u{3}\u{1}", None, None, None),
        ("-", None, None, None),
        ("", None, None, None),
        (" ", None, None, None),
        ("GET ", Some("GET"), Some(""), None),
    ] {
        let line = format!(r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "{request}" 400 0"#);
        let log = parse(&line).unwrap();
        assert_eq!(log.request, request);
        assert_eq!((log.method(), log.path(), log.protocol()), (method, path, protocol), "{request}");
    }
}

#[test]
fn users_with_spaces_brackets_and_quotes() {
    for user in ["ada", "-", "Ada Lovelace", "a[b", "a b[c d", r#""""#, "a]b", "größe"] {
        let line = format!(r#"192.0.2.7 - {user} [17/May/2015:10:05:03 +0000] "-" 401 0"#);
        assert_eq!(parse(&line).map(|log| (log.user, log.ident)), Ok((user, "-")));
    }
}

#[test]
fn malformed_lines_and_their_reasons() {
    use Reason::*;
    for (line, reason, column) in [
        ("", NoClient, 1),
        ("\r\n", NoClient, 1),
        (" 192.0.2.7 - - [t] \"-\" 200 5", NoClient, 1),
        ("192.0.2.7", NoIdent, 10),
        ("h ", NoIdent, 3),
        ("h  - [t] \"-\" 200 5", NoIdent, 3),
        ("h -", NoUser, 4),
        ("h - ", NoUser, 5),
        ("h -  [t] \"-\" 200 5", NoUser, 5),
        ("h - -", NoTime, 6),
        ("h - - ", NoTime, 7),
        ("h - - t \"-\" 200 5", NoTime, 7),
        ("h - - t \"-\" 200 5 \"a [b] \"", NoTime, 7),
        ("h i two words [t] \"-\" 200 5", NoTime, 9),
        ("vhost:80 192.0.2.7 - - [t] \"-\" 200 5", NoTime, 22),
        ("h - - [t", UnclosedTime, 8),
        ("h - - [t \"-\" 200 5", UnclosedTime, 8),
        ("h - - [t]", NoRequest, 10),
        ("h - - [t] ", NoRequest, 10),
        ("h - - [t] - 200 5", NoRequest, 10),
        ("h - - [t]  \"-\" 200 5", NoRequest, 10),
        ("h - - [t] \"", UnclosedRequest, 12),
        ("h - - [t] \"GET / 200 5", UnclosedRequest, 12),
        ("h - - [t] \"GET \\\" 200 5", UnclosedRequest, 12),
        ("h - - [t] \"GET \\", UnclosedRequest, 12),
        ("h - - [t] \"-\"", NoStatus, 14),
        ("h - - [t] \"-\" - 5", NoStatus, 14),
        ("h - - [t] \"-\" 20 5", NoStatus, 14),
        ("h - - [t] \"-\" 099 5", NoStatus, 14),
        ("h - - [t] \"-\" 2000 5", NoStatus, 14),
        ("h - - [t] \"a\"b\" 200 5", NoStatus, 14),
        ("h - - [t] \"-\" 200", NoBytes, 18),
        ("h - - [t] \"-\" 200x", NoBytes, 18),
        ("h - - [t] \"-\" 200 ", NoBytes, 18),
        ("h - - [t] \"-\" 200 \"r\" \"a\"", NoBytes, 18),
        ("h - - [t] \"-\" 200 +5", NoBytes, 18),
        ("h - - [t] \"-\" 200 5k", NoBytes, 18),
        ("h - - [t] \"-\" 200 -5", NoBytes, 18),
        ("h - - [t] \"-\" 200 18446744073709551616", NoBytes, 18),
    ] {
        assert_eq!(parse(line), Err(Malformed { reason, column }), "{line:?}");
        assert_eq!((client(line), status(line)), (None, None), "{line:?}");
    }
}

#[test]
fn a_malformed_line_says_what_and_where() {
    let message = parse("h - - [t] \"-\" 20 5").unwrap_err().to_string();
    assert_eq!(message, "not an access log line: no status from 100 to 999 at column 14");
}

#[test]
fn virtual_hosts() {
    for (text, name, port) in [
        ("example.com", "example.com", None),
        ("example.com:8080", "example.com", Some(8080)),
        ("[2001:db8::1]:80", "[2001:db8::1]", Some(80)),
        ("odd:name", "odd:name", None),
        ("odd:70000", "odd:70000", None),
    ] {
        let line = format!("{text} {COMBINED}");
        assert_eq!(split_virtual_host(&line), Some((VirtualHost { name, port }, COMBINED)));
    }
    assert_eq!(split_virtual_host(" x"), None);
    assert_eq!(split_virtual_host("x"), None);
}

/// The fields of a line as its server had them, to be written and read again.
#[derive(Clone, Debug)]
struct Written {
    names: (String, String, String),
    time: String,
    request: String,
    status: u16,
    bytes: Option<u64>,
    tail: Option<(String, String)>,
}

impl Written {
    fn line(&self) -> String {
        let (client, ident, user) = &self.names;
        let bytes = self.bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
        let tail = self.tail.as_ref().map_or(String::new(), |(r, a)| format!(r#" "{r}" "{a}""#));
        let (time, request, status) = (&self.time, &self.request, self.status);
        format!(r#"{client} {ident} {user} [{time}] "{request}" {status} {bytes}{tail}"#)
    }
}

/// Text as a server writes it between quotes: no quote or backslash but in an escape.
fn between_quotes() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![r#"[^"\\]{0,8}"#, Just(r#"\""#.to_owned()), r"\\x[0-9a-f]{2}"], 0..6)
        .prop_map(|pieces| pieces.concat())
}

fn written() -> impl Strategy<Value = Written> {
    let names = ("[^ \r\n]{1,20}", "[^ \r\n]{1,5}", "[^ \r\n]{1,9}");
    let tail = prop::option::of((between_quotes(), between_quotes()));
    (names, "[^\\]]{0,30}", between_quotes(), 100u16..1000, any::<Option<u64>>(), tail).prop_map(
        |(names, time, request, status, bytes, tail)| Written { names, time, request, status, bytes, tail },
    )
}

fn agree(line: &str) -> Result<(), TestCaseError> {
    let parsed = parse(line).ok();
    prop_assert_eq!(client(line), parsed.map(|log| log.client));
    prop_assert_eq!(status(line), parsed.map(|log| log.status));
    if let Some(log) = parsed {
        let _ = (log.method(), log.path(), log.protocol(), log.timestamp_millis());
    }
    Ok(())
}

proptest! {
    #[test]
    fn numbers_are_those_of_the_standard_library(digits in "[0-9]{1,22}", behind in "[ -~]{0,9}") {
        let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit());
        let line = format!("x{digits}{behind}");
        let expected = digits.parse().ok().map(|number: u64| (number, 1 + digits.len()));
        prop_assert_eq!(number_at(line.as_bytes(), 1), expected);
    }
}

proptest! {
    #[test]
    fn a_written_line_is_read_again(written in written()) {
        let line = written.line();
        let log = parse(&line).unwrap();
        let (client, ident, user) = &written.names;
        prop_assert_eq!((log.client, log.ident, log.user), (&**client, &**ident, &**user));
        prop_assert_eq!((log.time, log.request), (&*written.time, &*written.request));
        prop_assert_eq!((log.status, log.bytes), (written.status, written.bytes));
        let (referer, agent) = written.tail.clone().unzip();
        prop_assert_eq!(log.referer(), referer.as_deref().filter(|&field| field != "-"));
        prop_assert_eq!(log.user_agent(), agent.as_deref().filter(|&field| field != "-"));
        agree(&line)?;
    }

    /// Lines that are almost right find more corners than random text: cut, and with a byte replaced.
    #[test]
    fn a_damaged_line_does_not_divide_the_parsers(written in written(), at: prop::sample::Index, byte: u8) {
        let mut bytes = written.line().into_bytes();
        let at = at.index(bytes.len());
        agree(&String::from_utf8_lossy(&bytes[..at]))?;
        bytes[at] = byte;
        agree(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let line = String::from_utf8_lossy(&bytes);
        agree(&line)?;
        let _ = split_virtual_host(&line);
    }

    #[test]
    fn random_delimiters_do_not_panic(line in r#"[- a"\\\[\]0-9é]{0,60}"#) {
        agree(&line)?;
    }
}
