//! The pieces of HTTP's grammar that the handshake is made of (RFC 9110 §5.6, RFC 3986 §3.2).

/// Whether this byte may stand in a token (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether this is a token: one byte at least, each of the kind that tokens are made of.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether this may stand behind a header's colon: no control character but the tab.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Without spaces and tabs at both ends.
pub(crate) const fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma-separated list without the empty ones (RFC 9110 §5.6.1).
pub(crate) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Whether the list names this token, in any case of letters.
pub(crate) fn has_element<const N: usize>(list: &[u8], token: &[u8; N]) -> bool {
    is_word(list, token) || elements(list).any(|element| is_word(element, token))
}

/// Whether this is the word, in any case of letters.
///
/// `word` is of lower-case letters and hyphens. There is no early exit, so that a length known
/// beforehand becomes a few wide comparisons: a third of what `eq_ignore_ascii_case` takes.
#[inline]
pub(crate) fn is_word<const N: usize>(bytes: &[u8], word: &[u8; N]) -> bool {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else {
        return false;
    };
    // Only a letter's other case has the same bits but this one; a hyphen's is a CR, and there is
    // none inside a line.
    let differences =
        bytes.iter().zip(word).fold(0, |bits, (byte, word)| bits | (byte | 0x20) ^ word);
    differences == 0
}

/// Splits `host[:port]`; the host keeps the brackets of an IPv6 address, an empty port is none.
///
/// `None` if it is neither a name, an IPv4 address nor an IPv6 address in brackets with a port
/// that fits 16 bits (RFC 3986 §3.2.2). User information is refused; so is the comma, which would
/// make one Host header look like two.
pub(crate) fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, _) = rest.split_once(']')?;
            address.parse::<core::net::Ipv6Addr>().ok()?;
            address.len() + 2
        }
        None => authority.bytes().position(|byte| byte == b':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    if !host.starts_with('[') && !is_reg_name(host.as_bytes()) {
        return None;
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().ok().map(|port| (host, Some(port)))
        }
        _ => None,
    }
}

/// A registered name or an IPv4 address, without the comma that RFC 3986 would allow.
fn is_reg_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| REG_NAME[usize::from(byte)])
}

const TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

const REG_NAME: [bool; 256] = alphanumeric_and(b"-._~%!$&'()*+;=");

/// A table of the letters, the digits, and these.
const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_split_into_host_and_port() {
        for (authority, parts) in [
            ("example.com", Some(("example.com", None))),
            ("example.com:8080", Some(("example.com", Some(8080)))),
            ("example.com:", Some(("example.com", None))),
            ("127.0.0.1:1", Some(("127.0.0.1", Some(1)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:65535", Some(("[::1]", Some(65535)))),
            ("", None),
            (":80", None),
            ("a b", None),
            ("a,b", None),
            ("user@host", None),
            ("host:65536", None),
            ("host:+1", None),
            ("host:8o", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[zz]", None),
            ("a:b:c", None),
            ("höst", None),
        ] {
            assert_eq!(split_authority(authority), parts, "{authority}");
        }
    }

    #[test]
    fn lists_ignore_empty_elements_and_case() {
        assert!(has_element(b"keep-alive,\t ,, UPGRADE ,", b"upgrade"));
        assert!(!has_element(b"notupgrade, upgrade-x", b"upgrade"));
        assert_eq!(elements(b" , ,").count(), 0);
    }

    #[test]
    fn tokens_are_what_rfc_9110_says() {
        for byte in 0..=255u8 {
            let separator = b"\"(),/:;<=>?@[\\]{} \t".contains(&byte);
            assert_eq!(is_token_byte(byte), byte.is_ascii_graphic() && !separator, "{byte:#x}");
        }
        assert!(!is_token(b""));
    }
}
