//! `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3): what a server wants to be shown.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// The longest header that is looked at, and how many challenges and parameters in it.
const LONGEST: usize = 16 << 10;
const MOST: usize = 32;

/// One challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `bearer`, `basic`, in lower case.
    pub(crate) scheme: String,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The same without one of its parameters.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.parameters.retain(|(key, _)| key != name);
        other
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// All challenges of an answer. What follows no grammar is left out.
pub(crate) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    values
        .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
        .flat_map(parse)
        .take(MOST)
        .collect()
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut reader = Reader(if text.len() > LONGEST { "" } else { text });
    loop {
        reader.skip(|letter| letter == ',' || letter.is_ascii_whitespace());
        let word = reader.token();
        if word.is_empty() {
            return found;
        }
        reader.skip(|letter| letter.is_ascii_whitespace());
        let name = word.to_ascii_lowercase();
        if !reader.eat('=') {
            // A scheme; what follows it until the next one is its own.
            if found.len() == MOST {
                return found;
            }
            found.push(Challenge {
                scheme: name,
                parameters: Vec::new(),
            });
            continue;
        }
        reader.skip(|letter| letter.is_ascii_whitespace());
        let (Some(value), Some(challenge)) = (reader.value(), found.last_mut()) else {
            return found;
        };
        if challenge.parameters.len() < MOST {
            challenge.parameters.push((name, value));
        }
    }
}

struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(unwanted);
    }

    fn eat(&mut self, letter: char) -> bool {
        let rest = self.0.strip_prefix(letter);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A token, or the 68 letters of a token that some schemes have instead of parameters.
    fn token(&mut self) -> &'a str {
        let ends = |letter: char| !(letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(letter));
        let end = self.0.find(ends).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        token
    }

    /// A token or a quoted string; nothing, if the string never ends.
    fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            return Some(self.token().to_owned());
        }
        let mut value = String::new();
        let mut letters = self.0.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(letters.next()?.1),
                letter => value.push(letter),
            }
        }
        None
    }
}

/// Reads bytes that nobody vouches for: whatever they are, the answer is bounded.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found = parse(&text);
    assert!(found.len() <= MOST);
    for challenge in &found {
        assert!(!challenge.scheme.is_empty() && challenge.parameters.len() <= MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &[(&str, &str)])]) {
        let found = parse(text);
        let found: Vec<(&str, Vec<(&str, &str)>)> = found
            .iter()
            .map(|challenge| {
                let parameters = challenge.parameters.iter();
                let pairs = parameters.map(|(name, value)| (name.as_str(), value.as_str()));
                (challenge.scheme.as_str(), pairs.collect())
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(scheme, pairs)| (*scheme, pairs.to_vec()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn challenges_are_read() {
        check("", &[]);
        check("Basic", &[("basic", &[])]);
        check("Basic realm=x", &[("basic", &[("realm", "x")])]);
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull,push""#,
            &[(
                "bearer",
                &[
                    ("realm", "https://auth.docker.io/token"),
                    ("service", "registry.docker.io"),
                    ("scope", "repository:library/busybox:pull,push"),
                ],
            )],
        );
        check(
            r#"Basic realm="a \"b\", c", Bearer realm = "d" ,Error=insufficient_scope"#,
            &[
                ("basic", &[("realm", r#"a "b", c"#)]),
                ("bearer", &[("realm", "d"), ("error", "insufficient_scope")]),
            ],
        );
        check(
            "Negotiate, Basic realm=\"\"",
            &[("negotiate", &[]), ("basic", &[("realm", "")])],
        );
        check("realm=x, Basic", &[]);
        check(r#"Bearer realm="never ends"#, &[("bearer", &[])]);
        check(r#"Bearer realm="\"#, &[("bearer", &[])]);
        check("Bearer realm=é", &[("bearer", &[("realm", "")])]);
        check(&format!("Bearer realm=\"{}\"", "x".repeat(LONGEST)), &[]);
    }

    #[test]
    fn challenges_of_several_headers_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Basic realm=x".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, "Bearer realm=y".parse().unwrap());
        let schemes: Vec<_> = challenges(&headers).into_iter().map(|each| each.scheme).collect();
        assert_eq!(schemes, ["basic", "bearer"]);
    }
}
