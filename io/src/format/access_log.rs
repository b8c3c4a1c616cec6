//! Access logs of Apache and nginx: Common Log Format, Combined, and both behind a virtual host.
//!
//! ```text
//! 192.0.2.7 - ada [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 2326 "http://example.com/" "Mozilla/5.0"
//! client ident user          time                     request     status bytes       referer         user agent
//! ```
//!
//! [`parse`] takes a line apart without copying it; behind the byte count, where half of a combined line
//! lies, only [`AccessLog::referer`] and [`AccessLog::user_agent`] look. [`client`] and [`status`] give one field.
//! All three agree on which lines are malformed: a line is well formed if it is so **up to the byte
//! count**. What follows is free, since servers append fields at will and cut long lines:
//!
//! - a referer or a user agent without its closing quote reaches to the end of the line;
//! - after the user agent, or in place of the referer, anything may stand; it is ignored.
//!
//! Clients send what they like, so the request may be anything: empty, `-`, the first bytes of a TLS
//! handshake. Such a line is well formed; only [`AccessLog::method`] and its like are `None`. In quoted
//! fields `\"` and `\\` are skipped over (nginx writes `\x22` and `\x5C`) and left as they are. A user name
//! may contain spaces if the ident is `-`, as it always is today. A `\r` or `\n` at the end is no part of the line.

use super::timestamp;
use memchr::{memchr2, memrchr};
use millstream_engine::text::{find_either_near, find_near};
use std::fmt;

/// The fields of one line, borrowed from it.
///
/// ```
/// use millstream_io::format::access_log;
///
/// let line = r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 2326 "-" "curl/8.5""#;
/// let log = access_log::parse(line)?;
/// assert_eq!((log.client, log.status, log.bytes), ("192.0.2.7", 200, Some(2326)));
/// assert_eq!((log.method(), log.path(), log.protocol()), (Some("GET"), Some("/a?b=c"), Some("HTTP/1.1")));
/// assert_eq!((log.referer(), log.user_agent()), (None, Some("curl/8.5")));
/// assert_eq!(log.timestamp_millis(), Some(1_431_857_103_000));
/// # Ok::<(), access_log::Malformed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLog<'a> {
    /// The address or name of the client.
    pub client: &'a str,
    /// The name the client's identd gave; `-` on today's servers.
    pub ident: &'a str,
    /// The authenticated user, or `-`.
    pub user: &'a str,
    /// The time as written, without its brackets; see [`AccessLog::timestamp_millis`].
    pub time: &'a str,
    /// The request line as written, with its escapes.
    pub request: &'a str,
    /// The status sent, 100 to 999.
    pub status: u16,
    /// The size of the response, `None` if written as `-`.
    pub bytes: Option<u64>,
    /// What stands behind the byte count: half of a combined line, in which nothing has been looked for yet.
    tail: &'a str,
}

impl<'a> AccessLog<'a> {
    /// The method of the request, if the request looks like one.
    #[must_use]
    #[inline]
    pub fn method(&self) -> Option<&'a str> {
        if self.request.starts_with("GET ") {
            return Some(&self.request[..3]); // nearly all of them
        }
        let method = &self.request[..find_near(b' ', self.request.as_bytes())?];
        let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
        is_method.then_some(method)
    }

    /// What was asked for, with its query string, if the request looks like one.
    #[must_use]
    #[inline]
    pub fn path(&self) -> Option<&'a str> {
        let target = self.target()?;
        Some(path_and_protocol(target).map_or(target, |(path, _)| path))
    }

    /// The protocol of the request; an HTTP/0.9 request has none.
    #[must_use]
    pub fn protocol(&self) -> Option<&'a str> {
        path_and_protocol(self.target()?).map(|(_, protocol)| protocol)
    }

    /// The request behind its method.
    #[inline]
    fn target(&self) -> Option<&'a str> {
        Some(&self.request[self.method()?.len() + 1..])
    }

    /// The referer, `None` if absent or written as `-`.
    #[must_use]
    pub fn referer(&self) -> Option<&'a str> {
        quoted(self.tail, 0).0
    }

    /// The user agent, `None` if absent or written as `-`.
    #[must_use]
    pub fn user_agent(&self) -> Option<&'a str> {
        let (_, next) = quoted(self.tail, 0);
        quoted(self.tail, next).0
    }

    /// The time in milliseconds since 1970 UTC; `None` if it is not of the form `17/May/2015:10:05:03 +0000`.
    #[must_use]
    pub fn timestamp_millis(&self) -> Option<i64> {
        timestamp::common_log_millis(self.time)
    }
}

/// Takes a line apart.
///
/// # Errors
/// [`Malformed`] says what was missing, and where.
///
/// ```
/// use millstream_io::format::access_log::{self, Reason};
///
/// let malformed = access_log::parse("192.0.2.7 logged in").unwrap_err();
/// assert_eq!((malformed.reason, malformed.column), (Reason::NoTime, 20));
/// ```
#[inline]
pub fn parse(line: &str) -> Result<AccessLog<'_>, Malformed> {
    let line = without_line_end(line);
    let head = Head::scan(line.as_bytes())?;
    Ok(AccessLog {
        client: &line[..head.client_end],
        ident: &line[head.client_end + 1..head.ident_end],
        user: &line[head.ident_end + 1..head.user_end],
        time: &line[head.user_end + 2..head.time_end],
        request: &line[head.time_end + 3..head.request_end],
        status: head.status,
        bytes: head.bytes,
        tail: &line[head.end..],
    })
}

/// The client of a line, `None` if the line is malformed.
///
/// ```
/// use millstream_io::format::access_log::client;
///
/// assert_eq!(client(r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "-" 408 -"#), Some("192.0.2.7"));
/// assert_eq!(client("192.0.2.7 logged in"), None);
/// ```
#[must_use]
#[inline]
pub fn client(line: &str) -> Option<&str> {
    let head = Head::scan(without_line_end(line).as_bytes()).ok()?;
    Some(&line[..head.client_end])
}

/// The status of a line, `None` if the line is malformed.
///
/// ```
/// use millstream_io::format::access_log::status;
///
/// assert_eq!(status(r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "-" 408 -"#), Some(408));
/// assert_eq!(status("192.0.2.7 logged in"), None);
/// ```
#[must_use]
#[inline]
pub fn status(line: &str) -> Option<u16> {
    Head::scan(without_line_end(line).as_bytes()).ok().map(|head| head.status)
}

/// The virtual host that a server of many sites puts before each line, as `name` or `name:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualHost<'a> {
    /// The name of the site.
    pub name: &'a str,
    /// The port, if written.
    pub port: Option<u16>,
}

/// Splits a line that begins with its virtual host (Apache's `vhost_combined`) into the host and the line
/// behind it, which [`parse`], [`client`] and [`status`] understand. `None` if no field stands there.
///
/// ```
/// use millstream_io::format::access_log::{self, split_virtual_host};
///
/// let line = r#"example.com:443 192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#;
/// let (host, line) = split_virtual_host(line).unwrap();
/// assert_eq!((host.name, host.port), ("example.com", Some(443)));
/// assert_eq!(access_log::client(line), Some("192.0.2.7"));
/// ```
#[must_use]
pub fn split_virtual_host(line: &str) -> Option<(VirtualHost<'_>, &str)> {
    let (host, rest) = line.split_once(' ').filter(|(host, _)| !host.is_empty())?;
    let with_port = host.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?)));
    let host = match with_port {
        Some((name, port)) => VirtualHost { name, port: Some(port) },
        None => VirtualHost { name: host, port: None },
    };
    Some((host, rest))
}

/// Why a line is not of the format, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was missing.
    pub reason: Reason,
    /// The byte of the line where it was looked for, from 1.
    pub column: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an access log line: {} at column {}", self.reason, self.column)
    }
}

impl std::error::Error for Malformed {}

/// What a malformed line lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The line is empty or begins with a space.
    NoClient,
    /// No ident after the client.
    NoIdent,
    /// No user after the ident.
    NoUser,
    /// No `[` after the user. A line with a virtual host, read without
    /// [`split_virtual_host`], ends here too.
    NoTime,
    /// The `[` before the time has no `]`.
    UnclosedTime,
    /// No `"` after the time.
    NoRequest,
    /// The `"` before the request has no partner.
    UnclosedRequest,
    /// No number from 100 to 999 after the request.
    NoStatus,
    /// Neither a number of 64 bits nor `-` after the status.
    NoBytes,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NoClient => "no client",
            Reason::NoIdent => "no ident",
            Reason::NoUser => "no user",
            Reason::NoTime => "no [time]",
            Reason::UnclosedTime => "no ] to end the time that begins",
            Reason::NoRequest => "no \"request\"",
            Reason::UnclosedRequest => "no quote to end the request that begins",
            Reason::NoStatus => "no status from 100 to 999",
            Reason::NoBytes => "no byte count",
        })
    }
}

/// The part of a line that decides whether it is well formed. All positions are those of ASCII bytes.
struct Head {
    client_end: usize,
    ident_end: usize,
    user_end: usize,
    time_end: usize,
    request_end: usize,
    status: u16,
    bytes: Option<u64>,
    end: usize,
}

impl Head {
    #[inline]
    fn scan(line: &[u8]) -> Result<Head, Malformed> {
        let client_end = word_end(line, 0, Reason::NoClient)?;
        let (ident_end, user_end) = names(line, client_end)?;
        let time_end = time_end(line, user_end + 2)?;
        let request_end = request_end(line, time_end + 1)?;
        let status = status_at(line, request_end + 1)?;
        let (bytes, end) = bytes_at(line, request_end + 5)?;
        Ok(Head { client_end, ident_end, user_end, time_end, request_end, status, bytes, end })
    }
}

/// The two sides of the last space, if the protocol stands behind it.
#[inline]
fn path_and_protocol(target: &str) -> Option<(&str, &str)> {
    let space = match target.as_bytes() {
        // Nearly all of them.
        [path @ .., b' ', b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => path.len(),
        other => memrchr(b' ', other)?,
    };
    let protocol = &target[space + 1..];
    protocol.starts_with("HTTP/").then(|| (&target[..space], protocol))
}

#[inline]
fn without_line_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cold]
fn malformed<T>(reason: Reason, at: usize) -> Result<T, Malformed> {
    Err(Malformed { reason, column: at + 1 })
}

/// The end of the word that begins at `from`: a space or the end of the line.
#[inline]
fn word_end(line: &[u8], from: usize, reason: Reason) -> Result<usize, Malformed> {
    match line.get(from..) {
        None => malformed(reason, line.len()),
        Some([] | [b' ', ..]) => malformed(reason, from),
        Some(rest) => Ok(find_near(b' ', rest).map_or(line.len(), |length| from + length)),
    }
}

/// The ends of ident and user; the user's is always followed by ` [`.
#[inline]
fn names(line: &[u8], client_end: usize) -> Result<(usize, usize), Malformed> {
    if line[client_end..].starts_with(b" - - [") {
        return Ok((client_end + 2, client_end + 4));
    }
    let ident_end = word_end(line, client_end + 1, Reason::NoIdent)?;
    let user_end = word_end(line, ident_end + 1, Reason::NoUser)?;
    if line.get(user_end + 1) == Some(&b'[') {
        return Ok((ident_end, user_end));
    }
    let without_ident = &line[client_end + 1..ident_end] == b"-";
    match end_of_spaced_user(line, user_end).filter(|_| without_ident) {
        Some(user_end) => Ok((ident_end, user_end)),
        None => malformed(Reason::NoTime, line.len().min(user_end + 1)),
    }
}

/// The end of a user name with spaces, the first of them at `from`. A quote ends the search: it must not
/// find a bracket in the request or the user agent.
fn end_of_spaced_user(line: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr2(b'[', b'"', &line[from..])?;
        if line[at] == b'"' {
            return None;
        }
        if line[at - 1] == b' ' {
            return Some(at - 1);
        }
        from = at + 1;
    }
}

/// The `]` after the time that begins at `from`.
#[inline]
fn time_end(line: &[u8], from: usize) -> Result<usize, Malformed> {
    match find_near(b']', &line[from..]) {
        Some(length) => Ok(from + length),
        None => malformed(Reason::UnclosedTime, from),
    }
}

/// The quote after the request, whose own space and quote begin at `from`.
#[inline]
fn request_end(line: &[u8], from: usize) -> Result<usize, Malformed> {
    if !line[from..].starts_with(b" \"") {
        return malformed(Reason::NoRequest, from);
    }
    match closing_quote(line, from + 2) {
        Some(end) => Ok(end),
        None => malformed(Reason::UnclosedRequest, from + 2),
    }
}

/// The first `"` at or behind `from` that no backslash escapes.
#[inline]
fn closing_quote(line: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + find_either_near(b'"', b'\\', line.get(from..)?)?;
        if line[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
    }
}

/// The three digits behind the space at `from`.
#[inline]
fn status_at(line: &[u8], from: usize) -> Result<u16, Malformed> {
    match line[from..] {
        [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ref rest @ ..]
            if !matches!(rest, [b'0'..=b'9', ..]) =>
        {
            Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => malformed(Reason::NoStatus, from),
    }
}

/// The byte count behind the space at `from`, and where it ends: at a space or at the end of the line.
#[inline]
fn bytes_at(line: &[u8], from: usize) -> Result<(Option<u64>, usize), Malformed> {
    let (count, end) = match line[from..] {
        [b' ', b'-', ..] => (None, from + 2),
        [b' ', b'0'..=b'9', ..] => match number_at(line, from + 1) {
            Some((count, end)) => (Some(count), end),
            None => return malformed(Reason::NoBytes, from),
        },
        _ => return malformed(Reason::NoBytes, from),
    };
    match line.get(end) {
        None | Some(b' ') => Ok((count, end)),
        Some(_) => malformed(Reason::NoBytes, from),
    }
}

/// The number whose digits begin at `from`, and where they end; `None` if it has more than 64 bits.
#[inline]
fn number_at(line: &[u8], from: usize) -> Option<(u64, usize)> {
    if let Some((number, digits)) = line[from..].first_chunk().and_then(|bytes| short_number(*bytes)) {
        return Some((number, from + digits));
    }
    let mut number: u64 = 0;
    let mut at = from;
    while let Some(digit) = line.get(at).filter(|byte| byte.is_ascii_digit()) {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        at += 1;
    }
    Some((number, at))
}

/// The number with which the bytes begin, and its digits, of which there are fewer than eight. All are added up at once: first each with its
/// neighbour, then these pairs, then their pairs.
#[inline]
fn short_number(bytes: [u8; 8]) -> Option<(u64, usize)> {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let values = u64::from_le_bytes(bytes) ^ (EACH * u64::from(b'0'));
    // The topmost bit of the first byte that is above 9, and perhaps of later ones.
    let others = (values | values.wrapping_add(EACH * (0x80 - 10))) & (EACH << 7);
    let digits = others.trailing_zeros() as usize / 8;
    if others == 0 || digits == 0 {
        return None;
    }
    let values = values << (64 - 8 * digits);
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours * 10_000 + (fours >> 32)) & 0xffff_ffff, digits))
}

/// The quoted field behind the space at `from`, `None` if it is `-` or not there, and where it ends.
fn quoted(line: &str, from: usize) -> (Option<&str>, usize) {
    if !line[from..].starts_with(" \"") {
        return (None, from);
    }
    let end = closing_quote(line.as_bytes(), from + 2).unwrap_or(line.len());
    let field = &line[from + 2..end];
    ((field != "-").then_some(field), line.len().min(end + 1))
}

#[cfg(test)]
mod tests;
