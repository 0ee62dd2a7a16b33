//! `format`: the named forms of texts that upstream checks (`kube-openapi/pkg/validation/strfmt`), and those of numbers.
//!
//! Upstream compares names without their dashes, and ignores formats that it does not know.

use std::net::Ipv6Addr;
use std::sync::LazyLock;

use kinds::rules::{ip, names};
use regex::Regex;

use crate::node::JsonTypes;

/// A form that is checked.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// As the schema has it.
    pub name: &'static str,
    pub(crate) check: Check,
}

/// How.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    /// Of a text.
    Text(fn(&str) -> bool),
    /// A 32 bit integer.
    Int32,
    /// A 32 bit float.
    Float32,
    /// Nothing that the type does not say.
    Nothing,
}

const fn text(name: &'static str, check: fn(&str) -> bool) -> Format {
    let check = Check::Text(check);
    Format { name, check }
}

/// Forms of texts. Names with dashes stand twice: upstream takes both and prints what it was given.
static TEXTS: &[Format] = &[
    text("bsonobjectid", |text| text.len() == 24 && is_hex(text)),
    text("byte", is_base64),
    text("cidr", |text| ip::parse_cidr_sloppy(text).is_some()),
    text("creditcard", is_credit_card),
    text("date", is_date),
    text("date-time", is_date_time),
    text("datetime", is_date_time),
    text("duration", is_duration),
    text("email", is_email),
    text("hexcolor", |text| matches(&HEX_COLOR, text)),
    text("hostname", is_hostname),
    text("ipv4", |text| {
        text.contains('.') && ip::parse_sloppy(text).is_some()
    }),
    text("ipv6", |text| {
        text.contains(':') && text.parse::<Ipv6Addr>().is_ok()
    }),
    text("isbn", |text| is_isbn10(text) || is_isbn13(text)),
    text("isbn10", is_isbn10),
    text("isbn13", is_isbn13),
    text("k8s-long-name", |text| names::dns1123_subdomain(text).is_empty()),
    text("k8s-short-name", |text| names::dns1123_label(text).is_empty()),
    text("mac", is_mac),
    text("password", |_| true),
    text("rgbcolor", |text| matches(&RGB_COLOR, text)),
    text("ssn", |text| matches(&SSN, text)),
    text("uri", is_uri),
    text("uuid", |text| matches(&UUID, text)),
    text("uuid3", |text| matches(&UUID3, text)),
    text("uuid4", |text| matches(&UUID4, text)),
    text("uuid5", |text| matches(&UUID5, text)),
];

const fn plain(name: &'static str, check: Check) -> Format {
    Format { name, check }
}

static INTEGERS: &[Format] = &[plain("int32", Check::Int32), plain("int64", Check::Nothing)];
static NUMBERS: &[Format] = &[plain("double", Check::Nothing), plain("float", Check::Float32)];

impl Format {
    /// The format of this name, if it is known for values of a type.
    pub fn of(name: &str, types: JsonTypes) -> Option<Self> {
        let known = known(&types.names());
        known.iter().find(|format| format.name == name).copied()
    }

    /// Whether upstream warns of a format that it does not know for a type.
    pub fn is_unrecognized(name: &str, ty: &str) -> bool {
        !name.is_empty() && !known(ty).iter().any(|format| format.name == name)
    }
}

fn known(ty: &str) -> &'static [Format] {
    match ty {
        "" | "string" => TEXTS,
        "integer" => INTEGERS,
        "number" => NUMBERS,
        _ => &[],
    }
}

/// An expression that is compiled when it is first needed; it is ours, so that it compiles.
type Lazy = LazyLock<Option<Regex>>;

fn matches(expression: &Lazy, text: &str) -> bool {
    expression.as_ref().is_some_and(|regex| regex.is_match(text))
}

static HOSTNAME: Lazy = LazyLock::new(|| {
    Regex::new(
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    )
    .ok()
});
static UUID: Lazy = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$").ok()
});
static UUID3: Lazy = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$").ok()
});
static UUID4: Lazy = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$").ok()
});
static UUID5: Lazy = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$").ok()
});
static SSN: Lazy = LazyLock::new(|| Regex::new("^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$").ok());
static HEX_COLOR: Lazy = LazyLock::new(|| Regex::new("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$").ok());
static RGB_COLOR: Lazy = LazyLock::new(|| {
    const PART: &str = r"\s*(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])\s*";
    Regex::new(&format!(r"^rgb\({PART},{PART},{PART}\)$")).ok()
});
static CREDIT_CARD: Lazy = LazyLock::new(|| {
    Regex::new(r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}|6[27][0-9]{14})$").ok()
});
static TIME: Lazy = LazyLock::new(|| {
    Regex::new(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$").ok()
});
static SPANS: Lazy = LazyLock::new(|| Regex::new(r"([0-9]+)\s*([A-Za-zµ]+)").ok());
static GO_DURATION: Lazy =
    LazyLock::new(|| Regex::new(r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$").ok());

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_hostname(text: &str) -> bool {
    matches(&HOSTNAME, text) && text.len() <= 255 && text.split('.').all(|label| label.len() <= 63)
}

/// A local part and a domain, with or without a name before it in angle brackets (RFC 5322).
fn is_email(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let atom = |text: &str| {
        let part = |part: &str| {
            let allowed =
                |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c) || !c.is_ascii();
            !part.is_empty() && part.chars().all(allowed)
        };
        text.split('.').all(part)
    };
    address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| atom(local) && atom(domain))
}

/// Go's `url.ParseRequestURI`: a scheme and something behind it, or an absolute path.
fn is_uri(text: &str) -> bool {
    let bad = |c: char| c.is_ascii_control() || c == ' ';
    if text.is_empty() || text.contains(bad) {
        return false;
    }
    let scheme = |scheme: &str| {
        let mut bytes = scheme.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let escapes = |text: &str| {
        let mut parts = text.split('%').skip(1);
        parts.all(|part| part.get(..2).is_some_and(is_hex))
    };
    let absolute = text.starts_with('/') || text.split_once(':').is_some_and(|(before, _)| scheme(before));
    absolute && escapes(text)
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    !text.is_empty() && text.len().is_multiple_of(4) && padding <= 2 && body.bytes().all(allowed)
}

fn is_mac(text: &str) -> bool {
    let groups = |separator: char, digits: usize, counts: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len()) && parts.iter().all(|part| part.len() == digits && is_hex(part))
    };
    groups(':', 2, &[6, 8, 20]) || groups('-', 2, &[6, 8, 20]) || groups('.', 4, &[3, 4, 10])
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let Some((_, time)) = lower.split_once('t').filter(|(date, _)| is_date(date)) else {
        return false;
    };
    let within = |at: usize, most: &str| time.get(at..at + 2).is_some_and(|part| part <= most);
    matches(&TIME, time) && within(0, "23") && within(3, "59") && within(6, "59")
}

/// Go's form (`1h30m`), or spans of longer names (`2 days`).
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 15] = [
        "ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk", "min", "hour", "day", "week",
    ];
    const STEMS: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    let known = |unit: &str| UNITS.contains(&unit) || STEMS.iter().any(|stem| unit.starts_with(stem));
    let spans = |regex: &Regex| {
        regex
            .captures_iter(text)
            .any(|span| known(&span[2].to_lowercase()))
    };
    matches(&GO_DURATION, text) || SPANS.as_ref().is_some_and(spans)
}

fn digits(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-')).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = digits(text);
    let (Some(body), Some(last)) = (digits.get(..9), digits.get(9..)) else {
        return false;
    };
    let check = match last {
        "X" => 10,
        last => last.parse().ok().filter(|_| last.len() == 1).unwrap_or(u32::MAX),
    };
    let sum: u32 = body
        .chars()
        .zip(1..)
        .map(|(c, at)| c.to_digit(10).unwrap_or(1000) * at)
        .sum();
    check <= 10 && body.bytes().all(|byte| byte.is_ascii_digit()) && (sum + 10 * check).is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let digits = digits(text);
    let sum: u32 = digits
        .chars()
        .enumerate()
        .map(|(at, c)| c.to_digit(10).unwrap_or(0) * if at % 2 == 0 { 1 } else { 3 })
        .sum();
    digits.len() == 13
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.starts_with("978") || digits.starts_with("979"))
        && sum.is_multiple_of(10)
}

/// The form, and Luhn's check digit.
fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let value = |(at, c): (usize, char)| {
        let digit = c.to_digit(10).unwrap_or(0);
        match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        }
    };
    let sum: u32 = digits.chars().rev().enumerate().map(value).sum();
    matches(&CREDIT_CARD, &digits) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_judged_as_upstream_does() {
        let cases = [
            ("date-time", "2014-12-15T19:30:20.000Z", "2014-12-15 19:30"),
            ("date", "2014-12-15", "2014-13-15"),
            ("duration", "1h30m", "soon"),
            ("duration", "22 ns", "22"),
            ("email", "a@b.example", "a.example"),
            ("hostname", "a.example.com", "a..b"),
            ("ipv4", "192.168.0.1", "::1"),
            ("ipv6", "fe80::1", "1.2.3.4"),
            ("cidr", "10.0.0.0/8", "10.0.0.0"),
            ("mac", "00:25:96:ff:fe:12", "00:25"),
            ("uri", "http://a.example/x", "a b"),
            (
                "uuid4",
                "7b8a1bd2-9e4a-4a1b-8f0e-0123456789ab",
                "7b8a1bd2-9e4a-3a1b-8f0e-0123456789ab",
            ),
            ("byte", "Zm9v", "Zm9"),
            ("hexcolor", "#FFFFFF", "#FFFFF"),
            ("rgbcolor", "rgb(255,255,29)", "rgb(255,256,29)"),
            ("isbn10", "0321751043", "0321751042"),
            ("isbn13", "978-0321751041", "978-0321751042"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("ssn", "111-11-1111", "11-111-1111"),
            ("k8s-short-name", "my-name", "My"),
            ("k8s-long-name", "a.b-c", "a..b"),
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
        ];
        for (name, good, bad) in cases {
            let format = Format::of(name, JsonTypes::of("string")).unwrap();
            let Check::Text(check) = format.check else {
                panic!("{name}")
            };
            assert!(check(good), "{name} {good}");
            assert!(!check(bad), "{name} {bad}");
        }
        assert!(Format::of("date", JsonTypes::of("integer")).is_none());
        assert!(Format::is_unrecognized("quantity", "string"));
        assert!(!Format::is_unrecognized("int32", "integer"));
    }
}
