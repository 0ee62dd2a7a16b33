//! `# syntax=IMAGE`: which frontend a Dockerfile asks for. Docker's own is the one that is built in.

use super::Options;

/// Repositories whose frontend is the one that is built in.
const OURS: [&str; 2] = [
    "docker.io/docker/dockerfile",
    "docker.io/docker/dockerfile-upstream",
];

/// The image of the frontend that is asked for, if it is another one.
pub(super) fn elsewhere(text: &[u8], options: &Options) -> Option<String> {
    if options.forwarded {
        return None;
    }
    let asked = options.args.get("BUILDKIT_SYNTAX").cloned();
    let asked = asked.or_else(|| directive(text))?;
    // What stands behind the image is for the frontend.
    let image = asked.split_whitespace().next()?.to_owned();
    let repository =
        image::Reference::parse(&image).map(|parsed| format!("{}/{}", parsed.domain, parsed.path));
    (!repository.is_ok_and(|name| OURS.contains(&&name[..]))).then_some(image)
}

/// The directive in the comments that a Dockerfile begins with.
fn directive(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = text.lines().peekable();
    lines.next_if(|line| line.starts_with("#!"));
    for line in lines {
        let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
        let name = name.trim();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) || name.is_empty() {
            return None;
        }
        if name.eq_ignore_ascii_case("syntax") {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        for (text, image) in [
            ("# syntax=a/b:1\nFROM x", Some("a/b:1")),
            ("#!/x\n# escape=`\n#SYNTAX = a/b c\n", Some("a/b")),
            ("# syntax=docker/dockerfile:1.4", None),
            ("# syntax=docker.io/docker/dockerfile-upstream:master", None),
            ("FROM x\n# syntax=a/b", None),
            ("# a comment\n# syntax=a/b", None),
            ("", None),
        ] {
            let options = Options::default();
            assert_eq!(elsewhere(text.as_bytes(), &options).as_deref(), image, "{text}");
        }
    }
}
