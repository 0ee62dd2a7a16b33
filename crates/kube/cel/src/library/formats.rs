//! Named formats of texts: `format.dns1123Label().validate(x)`, which is none or a list of what is wrong.

use std::rc::Rc;

use jiff::civil::Date;

use super::{Cost, Function, Opaque, base64_decode, function, no_overload};
use crate::Error;
use crate::value::{Value, time};

/// A format, and what is wrong with a text that is not of it.
#[derive(Debug)]
pub struct NamedFormat {
    pub(super) name: &'static str,
    check: fn(&str) -> Vec<String>,
}

impl PartialEq for NamedFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                          alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', \
                          regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                           and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
                           '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and \
                         end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used \
                         for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain \
                         prefix and '/' (e.g. 'example.com/MyName')";

const FORMATS: &[NamedFormat] = &[
    format("dns1123Label", |text| of(text, is_label(text), 63, LABEL)),
    format("dns1123Subdomain", |text| {
        of(text, is_subdomain(text), 253, SUBDOMAIN)
    }),
    format("dns1035Label", |text| {
        of(text, is_label_1035(text), 63, LABEL_1035)
    }),
    format("qualifiedName", qualified_name),
    format("dns1123LabelPrefix", |text| prefix(text, is_label, 63, LABEL)),
    format("dns1123SubdomainPrefix", |text| {
        prefix(text, is_subdomain, 253, SUBDOMAIN)
    }),
    format("dns1035LabelPrefix", |text| {
        prefix(text, is_label_1035, 63, LABEL_1035)
    }),
    format("labelValue", |text| {
        of(text, text.is_empty() || is_name(text), 63, LABEL_VALUE)
    }),
    format("uri", |text| {
        let good = super::url::is_url(text);
        plain(good.is_ok(), &good.err().unwrap_or_default())
    }),
    format("uuid", |text| {
        plain(is_uuid(text), "does not match the UUID format")
    }),
    format("byte", |text| {
        plain(base64_decode(text).is_some(), "invalid base64")
    }),
    format("date", |text| {
        plain(text.len() == 10 && text.parse::<Date>().is_ok(), "invalid date")
    }),
    format("datetime", |text| {
        plain(time::parse_timestamp(text).is_some(), "invalid datetime")
    }),
];

const fn format(name: &'static str, check: fn(&str) -> Vec<String>) -> NamedFormat {
    NamedFormat { name, check }
}

fn plain(good: bool, message: &str) -> Vec<String> {
    if good {
        Vec::new()
    } else {
        vec![message.to_owned()]
    }
}

fn of(text: &str, good: bool, longest: usize, message: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > longest {
        errors.push(format!("must be no more than {longest} characters"));
    }
    errors.extend(plain(good, message));
    errors
}

/// A name that ends in `-` has something put after it later.
fn prefix(text: &str, is: fn(&str) -> bool, longest: usize, message: &str) -> Vec<String> {
    let whole = match text.strip_suffix('-') {
        Some(start) if !start.is_empty() => format!("{start}-a"),
        _ => text.to_owned(),
    };
    of(text, is(&whole), longest, message)
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
pub(super) fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()];
    text.bytes().all(|byte| plain(byte) || byte == b'-') && ends.iter().all(|end| end.is_some_and(plain))
}

pub(super) fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_label_1035(text: &str) -> bool {
    is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_name(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes().all(good)
        && ends
            .iter()
            .all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
}

fn qualified_name(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [domain, name] => {
            if domain.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                let wrong = of(domain, is_subdomain(domain), 253, SUBDOMAIN);
                errors.extend(wrong.iter().map(|message| format!("prefix part {message}")));
            }
            name
        }
        _ => return vec![QUALIFIED.to_owned()],
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        errors.push("name part must be no more than 63 characters".to_owned());
    }
    errors.extend(plain(is_name(name), &format!("name part {NAME}")));
    errors
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    let lengths = matches!(parts.as_slice(), [32] | [8, 4, 4, 4, 12]);
    lengths && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "validate",
        &[".kubernetes.NamedFormat, string -> optional(list(string))"],
        Cost::Validate,
        validate,
    ),
    function(
        "format.named",
        &["string -> optional(kubernetes.NamedFormat)"],
        Cost::One,
        named,
    ),
    constant("format.dns1123Label", |_| known("dns1123Label")),
    constant("format.dns1123Subdomain", |_| known("dns1123Subdomain")),
    constant("format.dns1035Label", |_| known("dns1035Label")),
    constant("format.qualifiedName", |_| known("qualifiedName")),
    constant("format.dns1123LabelPrefix", |_| known("dns1123LabelPrefix")),
    constant("format.dns1123SubdomainPrefix", |_| {
        known("dns1123SubdomainPrefix")
    }),
    constant("format.dns1035LabelPrefix", |_| known("dns1035LabelPrefix")),
    constant("format.labelValue", |_| known("labelValue")),
    constant("format.uri", |_| known("uri")),
    constant("format.uuid", |_| known("uuid")),
    constant("format.byte", |_| known("byte")),
    constant("format.date", |_| known("date")),
    constant("format.datetime", |_| known("datetime")),
];

const fn constant(name: &'static str, eval: super::Eval) -> Function {
    function(name, &["-> kubernetes.NamedFormat"], Cost::One, eval)
}

fn find<'a>(name: &str) -> Option<Value<'a>> {
    let found = FORMATS.iter().find(|format| format.name == name)?;
    Some(Value::Opaque(Opaque::Format(found)))
}

fn known<'a>(name: &str) -> Result<Value<'a>, Error> {
    find(name).ok_or(Error::NoSuchOverload)
}

fn named<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(name)] => Ok(Value::Optional(find(name).map(Rc::new))),
        args => Err(no_overload("format.named", args)),
    }
}

fn validate<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::Opaque(Opaque::Format(format)), Value::String(text)] = args else {
        return Err(no_overload("validate", args));
    };
    let wrong = (format.check)(text);
    if wrong.is_empty() {
        return Ok(Value::Optional(None));
    }
    let wrong = wrong.into_iter().map(Value::owned).collect();
    Ok(Value::some(Value::list(wrong)))
}
